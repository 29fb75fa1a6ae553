"""Fetching a picture from an address that somebody typed: once, from a public host, and nowhere that it leads to."""

import asyncio
import base64
import binascii
import contextlib
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import httpx

from singr_comms.notifications.branding.pictures._picture import LARGEST_BYTES, ImageError, Picture
from singr_comms.notifications.branding.pictures._reading import picture_of

_DEADLINE: Final = 8.0
_OK: Final = 200
_PORT: Final = 443
# All public hosts are here (RFC 4291, 2.4). What is outside leads within a site, or stands for an IPv4 address: in old
# notation (RFC 4291, 2.5.5.1), or behind a gateway (RFC 6052, RFC 8215).
_PUBLIC: Final = ip_network("2000::/3")
_INLINE: Final = re.compile(r"data:image/(?:png|jpeg|gif);base64,(?P<data>[A-Za-z0-9+/=]+)")
_ITSELF: Final = "must be a PNG, JPEG or GIF in base64 if it is the picture itself: data:image/png;base64,…"
Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
# A resolver waits as long as somebody's name server likes, and cannot be told to stop: it has a thread of its own.
_LOOK_UPS: Final = threading.BoundedSemaphore(8)


async def addresses_of(host: str) -> Sequence[str]:
    """The network addresses of a host's name; none where it has none.

    Raises:
        ImageError: as many names are being looked up as there may be at once.
    """
    if not _LOOK_UPS.acquire(blocking=False):
        raise ImageError("could not be fetched: too many hosts are being looked up, try again in a minute")
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[str]] = loop.create_future()

    def told(addresses: Sequence[str]) -> None:
        if not found.done():  # nobody waits any more
            found.set_result(addresses)

    def look_up() -> None:
        try:
            addresses = _look_up(host)
        finally:
            _LOOK_UPS.release()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(told, addresses)

    threading.Thread(target=look_up, name="singr-look-up", daemon=True).start()
    return await found


def _look_up(host: str) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, _PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # nobody looks up a name that IDNA refuses, such as a label of 64 letters
        return ()
    return [str(one[4][0]) for one in found]


async def fetched_picture(http: httpx.AsyncClient, given: str, *, resolve: Resolve = addresses_of) -> Picture:
    """A picture of an https address, or one that is written into a data URL (RFC 2397).

    The host is looked up once, every address of it must be a public one, and the connection goes to the one that was
    looked at. A redirect is not followed. What comes is read to its end, and written anew (`picture_of`).

    Args:
        http: makes the call.
        given: where it is, or itself.
        resolve: looks hosts up.

    Raises:
        ImageError: it cannot be had, or is no picture that mails show.
    """
    if match := _INLINE.fullmatch(given):
        try:
            return await asyncio.to_thread(picture_of, base64.b64decode(match["data"], validate=True))
        except binascii.Error:
            raise ImageError("must contain its picture in base64 (RFC 4648)") from None
    if given[:5].lower() == "data:":
        raise ImageError(_ITSELF)
    try:
        async with asyncio.timeout(_DEADLINE):
            host, address = await _public(given, resolve)
            return await _downloaded(http, given, host, address)
    except TimeoutError:
        raise ImageError(f"must respond with the whole picture within {_DEADLINE:.0f} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise ImageError("could not be fetched: nothing responds there over https") from None


async def _public(given: str, resolve: Resolve) -> tuple[str, str]:
    """The host of an address, and where it is; raises ImageError."""
    try:
        parts = urlsplit(given)
        host, port, named = parts.hostname, parts.port, parts.username is not None or parts.password is not None
    except ValueError:
        raise ImageError("must be an https address, such as https://example.org/logo.png") from None
    if parts.scheme != "https" or not host or named or port not in {None, _PORT}:
        raise ImageError("must be an https address without user name and port, such as https://example.org/logo.png")
    found = await resolve(host)
    if not found:
        raise ImageError("must name a host that can be found")
    if not all(_is_public(one) for one in found):
        raise ImageError("must be of a public host: this one's address is within a private network")
    return host, found[0]


def _is_public(address: str) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return _is_public(str(found.ipv4_mapped))
        if found not in _PUBLIC or found.teredo is not None:
            return False
        if found.sixtofour is not None:
            return _is_public(str(found.sixtofour))
    return found.is_global and not found.is_multicast


async def _downloaded(http: httpx.AsyncClient, given: str, host: str, address: str) -> Picture:
    """The connection goes to the address, and its certificate must be the host's.

    What arrives is counted as it arrives: a few bytes of a content encoding may hold gigabytes.
    """
    url = httpx.URL(given)
    at = url.copy_with(host=address, fragment=None)
    accepted = {"accept": "image/png, image/jpeg, image/gif", "accept-encoding": "identity"}
    headers = {"host": url.netloc.decode("ascii"), **accepted}
    asked = http.stream(
        "GET", at, headers=headers, follow_redirects=False, timeout=_DEADLINE, extensions={"sni_hostname": host}
    )
    async with asked as answer:
        if answer.is_redirect:
            raise ImageError("must be the picture's own address: this one redirects to another")
        if answer.status_code != _OK:
            raise ImageError(f"must answer with the picture: it answered {answer.status_code}")
        if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise ImageError("must be sent as it is, without a content encoding such as gzip")
        data = bytearray()
        async for chunk in answer.aiter_raw():
            data += chunk
            if len(data) > LARGEST_BYTES:
                raise ImageError(f"must be a picture of at most {LARGEST_BYTES // 1024} kB")
    return await asyncio.to_thread(picture_of, bytes(data))
