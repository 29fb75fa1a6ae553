"""S14: a logo is fetched from public hosts alone, once and whole, and from nowhere that it leads to."""

import asyncio
import base64
import gzip
import socket
import threading
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest
from comms_pictures import gif, jpeg, png
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from singr_comms.notifications import ImageError, fetched_picture, picture_of
from singr_comms.notifications.branding import _fetching
from singr_comms.notifications.branding._fetching import _downloaded, _is_public
from singr_dev._serving import listen, serving

# Some kilobytes are 64 MB once both encodings are undone.
BOMB = gzip.compress(gzip.compress(bytes(64 * 1024 * 1024)))


@pytest.fixture
async def http() -> Any:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A site with pictures, and with what is none."""

    async def forever() -> Any:
        yield b"x"
        await asyncio.sleep(60)

    async def huge() -> Any:
        for _ in range(1000):
            yield b"x" * 65_536

    answers: dict[str, Callable[[], Response]] = {
        "/logo.png": lambda: Response(png(30, 20)),
        "/elsewhere": lambda: RedirectResponse("http://169.254.169.254/"),
        "/gone": lambda: Response("no", 404),
        "/page": lambda: Response("<html>", media_type="image/png"),
        "/script.svg": lambda: Response("<svg onload='alert(1)'/>", media_type="image/svg+xml"),
        "/slow": lambda: StreamingResponse(forever()),
        "/huge": lambda: StreamingResponse(huge()),
        "/packed": lambda: Response(gzip.compress(png(30, 20)), headers={"content-encoding": "gzip"}),
        "/bomb": lambda: Response(BOMB, headers={"content-encoding": "gzip, gzip"}),
    }

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await answers[Request(scope).url.path]()(scope, receive, send)

    listener = listen()
    with serving(application, listener=listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def at(*addresses: str) -> Callable[[str], Awaitable[Sequence[str]]]:
    async def resolve(_: str) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.1.2.3",),
        ("169.254.169.254",),
        ("192.168.0.1",),
        ("100.64.0.1",),
        ("0.0.0.0",),
        ("224.0.0.1",),
        ("::1",),
        ("fe80::1%eth0",),
        ("fd00::1",),
        ("::ffff:127.0.0.1",),
        ("2002:7f00:1::",),
        ("93.184.216.34", "10.0.0.1"),
        ("fec0::1",),
        ("::7f00:1",),
        ("64:ff9b::7f00:1",),
        ("2001:0:7f00:1::",),
    ],
)
async def test_hosts_of_private_networks_are_refused_before_any_call(
    http: httpx.AsyncClient, addresses: tuple[str, ...]
) -> None:
    with pytest.raises(ImageError, match="private network"):
        await fetched_picture(http, "https://innocent.example/x.png", resolve=at(*addresses))


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/x.png",
        "ftp://example.org/x",
        "https://example.org:8443/x",
        "https://a:b@example.org/",
        "//x",
    ],
)
async def test_other_addresses_than_https_ones_are_refused(http: httpx.AsyncClient, address: str) -> None:
    with pytest.raises(ImageError, match="must be an https address"):
        await fetched_picture(http, address, resolve=at("93.184.216.34"))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:21f::1", "::ffff:93.184.216.34", "2002:5db8:d822::"])
def test_public_hosts_are_told(address: str) -> None:
    assert _is_public(address)


@pytest.mark.parametrize("host", ["a..b", ".a", ".", "a" * 64 + ".org", "a\u3002\u3002b", "\u00ad", "\ud800", "a\0b"])
async def test_names_that_no_host_can_have_lead_nowhere(http: httpx.AsyncClient, host: str) -> None:
    with pytest.raises(ImageError, match="can be found"):
        await fetched_picture(http, f"https://{host}/x.png")


async def test_unknown_host_is_said(http: httpx.AsyncClient) -> None:
    with pytest.raises(ImageError, match="can be found"):
        await fetched_picture(http, "https://nowhere.example/x.png", resolve=at())


async def test_picture_is_fetched_from_the_address_that_was_looked_at(http: httpx.AsyncClient, site: str) -> None:
    asked = site.replace("127.0.0.1", "logos.example") + "/logo.png"  # a name that leads nowhere
    found = await _downloaded(http, asked, "logos.example", "127.0.0.1")
    assert (found.media_type, found.width, found.height) == ("image/png", 30, 20)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/elsewhere", "redirects to another"),
        ("/gone", "it answered 404"),
        ("/page", "must be a PNG, JPEG or GIF"),
        ("/script.svg", "SVG"),
        ("/huge", "at most 256 kB"),
        ("/packed", "without a content encoding"),
    ],
)
async def test_what_is_no_picture_is_refused(http: httpx.AsyncClient, site: str, path: str, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        await _downloaded(http, site + path, "127.0.0.1", "127.0.0.1")


async def test_what_is_packed_is_refused_before_it_fills_the_memory(http: httpx.AsyncClient, site: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ImageError):
            await _downloaded(http, f"{site}/bomb", "127.0.0.1", "127.0.0.1")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * 1024 * 1024


async def test_who_answers_slowly_is_left(http: httpx.AsyncClient, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fetching, "_DEADLINE", 0.3)

    async def here(_: httpx.AsyncClient, given: str, host: str, address: str) -> Any:
        return await _downloaded(http, f"{site}/slow", "127.0.0.1", "127.0.0.1")

    monkeypatch.setattr(_fetching, "_downloaded", here)
    with pytest.raises(ImageError, match="within"):
        await fetched_picture(http, "https://slow.example/x.png", resolve=at("93.184.216.34"))


async def test_who_is_looked_up_slowly_is_left(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that says nothing keeps eight threads of ours at the most, and no caller."""
    monkeypatch.setattr(_fetching, "_DEADLINE", 0.3)
    silent, asked = threading.Event(), threading.Semaphore(0)

    def says_nothing(*_: Any, **__: Any) -> Any:
        asked.release()
        silent.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(_fetching.socket, "getaddrinfo", says_nothing)
    try:
        waiting = [fetched_picture(http, f"https://slow{each}.example/x.png") for each in range(9)]
        said = sorted(str(one) for one in await asyncio.gather(*waiting, return_exceptions=True))
    finally:
        silent.set()
    assert said[0] == "could not be fetched: too many hosts are being looked up, try again in a minute"
    assert set(said[1:]) == {"must respond with the whole picture within 0 seconds"}
    assert sum(asked.acquire(blocking=False) for _ in range(9)) == 8


async def test_picture_may_come_along(http: httpx.AsyncClient) -> None:
    given = "data:image/gif;base64," + base64.b64encode(gif(30, 20, tail=b"<html>")).decode()
    assert (await fetched_picture(http, given)).data == gif(30, 20)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (gif(16, 20), ("image/gif", 16, 20)),
        (jpeg(40, 30), ("image/jpeg", 40, 30)),
        (png(17, 19), ("image/png", 17, 19)),
    ],
    ids=["gif", "jpeg", "png"],
)
def test_pictures_are_told_by_their_first_bytes(data: bytes, told: tuple[str, int, int]) -> None:
    found = picture_of(data)
    assert (found.media_type, found.width, found.height) == told


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\0\0" * 9,
        png(0, 16),
        png(2001, 16),
        png(50_000, 50_000, rows=b""),
    ],
)
def test_cut_and_monstrous_pictures_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        picture_of(data)
