"""The supervisor keeps its processes, also where the system has no room for one just now."""

import asyncio
import contextlib
import errno
import sys
from pathlib import Path
from typing import Any

import pytest

from singr_config.testing import settings_for_tests
from singr_worker import _supervisor
from singr_worker._supervisor import Supervisor

NO_PROCESS = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
NO_DESCRIPTOR = OSError(errno.EMFILE, "Too many open files")
NO_THREAD = RuntimeError("can't start new thread")


def pipes() -> set[str]:
    """Those that this process has open."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            found.add(str(descriptor.readlink()))
    return {target for target in found if target.startswith("pipe:")}


@pytest.mark.parametrize("error", [NO_PROCESS, NO_DESCRIPTOR, NO_THREAD], ids=["process", "descriptor", "thread"])
async def test_a_process_that_cannot_be_started_is_started_later_and_leaves_no_pipe_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Neither the first start nor a restart may end the supervisor, and with it every other process."""
    monkeypatch.setattr(_supervisor, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(_supervisor, "_LONGEST_PAUSE", 0.01)
    start, runs = asyncio.create_subprocess_exec, asyncio.Event()
    starts: list[Exception | str] = [error, "pass", error, "import time; time.sleep(60)"]

    async def started(*_: object, **options: Any) -> asyncio.subprocess.Process:
        what = starts.pop(0)
        if isinstance(what, Exception):
            raise what
        child = await start(sys.executable, "-c", what, **options)
        if not starts:
            runs.set()
        return child

    monkeypatch.setattr(asyncio, "create_subprocess_exec", started)
    before = pipes()
    supervisor = Supervisor(settings_for_tests(), queues=[], count=2, lease=15.0)
    async with asyncio.timeout(30):
        keeping = asyncio.create_task(supervisor._keep(0, tmp_path))
        await asyncio.wait({keeping, asyncio.create_task(runs.wait())}, return_when=asyncio.FIRST_COMPLETED)
        assert not keeping.done()
        supervisor._stop.set()
        await keeping
    assert pipes() <= before


async def test_a_stop_ends_every_keeper_though_no_process_could_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_supervisor, "_LONGEST_PAUSE", 0.01)
    failed = asyncio.Event()

    async def started(*_: object, **__: Any) -> asyncio.subprocess.Process:
        failed.set()
        raise NO_PROCESS

    monkeypatch.setattr(asyncio, "create_subprocess_exec", started)
    supervisor = Supervisor(settings_for_tests(), queues=[], count=2, lease=15.0)
    async with asyncio.timeout(30):
        keeping = [asyncio.create_task(supervisor._keep(index, tmp_path)) for index in range(2)]
        await failed.wait()
        supervisor._stop.set()
        await asyncio.gather(*keeping)
    assert supervisor._checked.is_set()  # health and metrics are served meanwhile
