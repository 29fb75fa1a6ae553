"""S18 in full: heads without end, fields without number, drips and half-open connections, on every port."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from faults.harness import Site

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

HEAD = b"POST /v1/jobs HTTP/1.1\r\nhost: x\r\n"
HALF_A_BODY = [HEAD + b"content-length: 10\r\n\r\n123"]
MEGABYTE = 1024 * 1024
PATIENCE = 40.0
# What a port says before it reads the body: that it takes no POST, or that this is not its name.
AT_ONCE = {"worker": 405, "inbox": 421}


@pytest.fixture(params=["api", "worker", "inbox"])
def port(request: pytest.FixtureRequest, site: Site) -> Iterator[tuple[str, str, int]]:
    """The name of a port, its address, and the process behind it."""
    if request.param == "inbox":
        yield request.param, request.getfixturevalue("inbox").url, 0
        return
    with site.api() if request.param == "api" else site.worker() as process:
        yield request.param, process.address, process.popen.pid


@pytest.mark.parametrize(
    ("flood", "status"),
    [
        ([HEAD, b"a: ", *[b"x" * MEGABYTE] * 32], 431),
        ([HEAD, *[b"a:b\r\n" * 40_000] * 10], 431),
        ([HEAD + b"a: b"], 408),
        (HALF_A_BODY, 408),
    ],
    ids=["32 MB", "400,000 fields", "half-open", "half a body"],
)
async def test_hundreds_of_heads_at_once_are_refused_in_little_memory(
    port: tuple[str, str, int], flood: list[bytes], status: int
) -> None:
    name, address, pid = port
    if flood == HALF_A_BODY:
        status = AT_ONCE.get(name, status)
    calls = 300 if len(flood) == 1 else 8
    before = resident(pid)

    answers = await asyncio.gather(*(refused(address, flood) for _ in range(calls)))

    assert {answer.split()[1] for answer in answers if answer} == {str(status).encode()}
    assert sum(bool(answer) for answer in answers) > calls * 0.9  # a reset may overtake an answer
    assert resident(pid) - before < 64 * MEGABYTE
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{address}/health")).status_code in {200, 404}


async def refused(address: str, flood: list[bytes]) -> bytes:
    """Send it all, and return what is answered until the connection is closed."""
    host, _, number = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(number))
    said = b""
    with contextlib.suppress(ConnectionError):
        for part in flood:
            writer.write(part)
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while more := await reader.read(65_536):
                said += more
    writer.close()
    return said


def resident(pid: int) -> int:
    """Return the memory of a process, in bytes; of none, 0."""
    if not pid:
        return 0
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024
