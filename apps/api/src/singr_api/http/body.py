"""What a body must be before anything decodes it: small, UTF-8, shallow, and free of what PostgreSQL cannot keep.

The look at a good body costs a few microseconds; only a bad one pays for the search for the field to name.
"""

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from singr_api.http import problems
from singr_api.http.codes import FieldCode
from singr_api.http.problems import FieldError, Kind, Problem, header_error, header_refused, refused

MAX_BODY_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 64
_MOST_DISCARDED_BYTES: Final = 32 * 1024 * 1024
_SLOWEST_BODY_SECONDS: Final = 30.0
_LONGEST_SAFE_DIGITS: Final = 18  # every integer of 18 digits fits 64 bits

_GZIP: Final = 16 + zlib.MAX_WBITS
_BRACKETS_ONLY: Final = bytes(set(range(256)) - set(b"{}[]"))
# A string that nobody closed runs to the end: else each of its quotes would be tried, in quadratic time.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_LONG_DIGITS: Final = re.compile(rb"[0-9]{%d}" % (_LONGEST_SAFE_DIGITS + 1))
_ESCAPE: Final = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_NUMBER: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[{}\[\],:]', re.DOTALL)
_DEEPEST_NAMED: Final = 4
_HALF: Final = "must not contain an unpaired surrogate"

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGoneError(Exception):
    """The caller hung up before its request was complete: there is nobody to answer."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int = MAX_BODY_BYTES) -> bytes:
    """Read a request's whole body.

    Raises:
        Problem: it is larger than `limit` bytes (413, said or not), or takes longer than 30 s to arrive (408).
        ClientGoneError: the caller hung up.
    """
    declared = headers.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared[:20]) > max(limit, _MOST_DISCARDED_BYTES):
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    try:
        async with asyncio.timeout(_SLOWEST_BODY_SECONDS):
            return await _read_rest(receive, body, limit)
    except TimeoutError:
        raise Problem(problems.TOO_SLOW, f"The body did not arrive within {_SLOWEST_BODY_SECONDS:g} seconds.") from None


async def _read_rest(receive: Receive, first: bytes, limit: int) -> bytes:
    parts, size, more = [first], len(first), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size <= limit:
            parts.append(part)
            continue
        # Thrown away, but read for a while: a caller still writing would be cut off before it could read the answer.
        parts.clear()
        if size > _MOST_DISCARDED_BYTES:
            break
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> Problem:
    return Problem(problems.BODY_TOO_LARGE, f"A body has at most {limit} bytes.", headers={"connection": "close"})


def unpacked(body: bytes, headers: Mapping[bytes, bytes], limit: int = MAX_BODY_BYTES) -> bytes:
    """Return a body as it was before `content-encoding`, never holding more than `limit` bytes of it.

    Raises:
        Problem: it is packed otherwise than by gzip (415), broken or cut off (400), or larger than `limit` (413).
    """
    packing = headers.get(b"content-encoding", b"").strip().lower()
    if packing in {b"", b"identity"}:
        return body
    if packing not in {b"gzip", b"x-gzip"}:
        message, takes = "must be gzip, or left out", {"accept-encoding": "gzip"}
        raise header_refused(problems.UNSUPPORTED_MEDIA_TYPE, "content-encoding", message, "unsupported", takes)
    inflate = zlib.decompressobj(_GZIP)
    try:
        whole = inflate.decompress(body, limit + 1)
    except zlib.error:
        raise _broken("must be gzip, as content-encoding says") from None
    if len(whole) > limit:
        raise _too_large(limit)
    # Nobody sends several streams in one body, and a thousand empty ones would be read for long.
    if not inflate.eof or inflate.unused_data:
        raise _broken("must be one gzip stream with its end")
    return whole


def _broken(message: str) -> Problem:
    return refused(problems.MALFORMED_BODY, FieldError("", message, "body", "malformed"), f"The body {message}.")


def check_media_type(headers: Mapping[bytes, bytes]) -> None:
    """Return if the body is said to be plain JSON.

    Raises:
        Problem: another media type, another charset than UTF-8, or a compressed body (415).
    """
    content_type = headers.get(b"content-type", b"")
    if content_type != b"application/json":
        kind, _, parameters = content_type.lower().partition(b";")
        charset = parameters.strip().replace(b'"', b"")
        if kind.strip() != b"application/json" or charset not in {b"", b"charset=utf-8"}:
            message, takes = "must be application/json, in UTF-8", {"accept-post": "application/json"}
            raise header_refused(problems.UNSUPPORTED_MEDIA_TYPE, "content-type", message, "unsupported", takes)
    if headers.get(b"content-encoding", b"identity") != b"identity":
        message, takes = "must be left out: send the body uncompressed", {"accept-encoding": "identity"}
        raise header_refused(problems.UNSUPPORTED_MEDIA_TYPE, "content-encoding", message, "unsupported", takes)


def single_headers(raw: Iterable[tuple[bytes, bytes]], once: frozenset[bytes]) -> dict[bytes, bytes]:
    """Return the headers by name; several lines of one are one list (RFC 9110, 5.2).

    Raises:
        Problem: one of `once` comes twice, so that two readers could understand the request differently (400).
    """
    headers: dict[bytes, bytes] = {}
    for name, value in raw:
        if name not in headers:
            headers[name] = value
            continue
        if name in once:
            shown = name.decode("latin-1")
            error = header_error(shown, "must come once", "repeated")
            raise refused(problems.MALFORMED_REQUEST, error, f"The header {shown} comes twice.")
        headers[name] += b", " + value
    return headers


def check_body(body: bytes) -> None:
    """Return if the body can safely be decoded and stored.

    Raises:
        Problem: it is no UTF-8 (400); it nests deeper than 64; it holds an escaped NUL or half a surrogate pair, or an
            integer past 64 bits (422). Each names the field.
    """
    if not body.isascii():
        _check_utf8(body)
    if b"\\u" in body:
        _check_escapes(body)
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(body)
    if _LONG_DIGITS.search(body) is not None:
        _check_numbers(body)


def _check_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise _refuse(problems.MALFORMED_BODY, body, error.start, "must be UTF-8", "invalid_characters") from None


def _check_escapes(body: bytes) -> None:
    high_at: int | None = None  # where a high surrogate waits for its low one
    high_end = -1
    for match in _ESCAPE.finditer(body):
        code = int(match[1], 16) if match[1] is not None else -1
        low = 0xDC00 <= code <= 0xDFFF  # noqa: PLR2004 — the Unicode Standard's range of low surrogates
        if (high_at is not None) != low or (low and match.start() != high_end):
            at = match.start() if high_at is None else high_at
            raise _refuse(problems.INVALID, body, at, _HALF, "invalid_characters")
        if code == 0:
            message = "must not contain the NUL character (\\u0000)"
            raise _refuse(problems.INVALID, body, match.start(), message, "invalid_characters")
        high_at = match.start() if 0xD800 <= code <= 0xDBFF else None  # noqa: PLR2004 — high surrogates
        high_end = match.end()
    if high_at is not None:
        raise _refuse(problems.INVALID, body, high_at, _HALF, "invalid_characters")


def _check_depth(body: bytes) -> None:
    rest = _STRING.sub(b"", body).translate(None, _BRACKETS_ONLY)
    for _ in range(MAX_DEPTH):  # each round takes away the innermost level
        rest = rest.replace(b"[]", b"").replace(b"{}", b"")
        if not rest:
            return
    depth = 0
    for match in _TOKEN.finditer(body):
        token = match[0]
        depth += (token in b"{[") - (token in b"}]")
        if depth > MAX_DEPTH:
            raise _refuse(
                problems.INVALID, body, match.start(), f"must not be nested deeper than {MAX_DEPTH} levels", "too_deep"
            )


def _check_numbers(body: bytes) -> None:
    blanked = _STRING.sub(lambda string: b'"' + b" " * (len(string[0]) - 2) + b'"', body)
    for match in _NUMBER.finditer(blanked):
        text = match[0]
        if not text.lstrip(b"-").isdigit() or len(text) <= _LONGEST_SAFE_DIGITS:
            continue
        # the length first: reading a number of a million digits would take minutes
        if len(text) > _LONGEST_SAFE_DIGITS + 2 or not -(2**63) <= int(text) < 2**63:
            raise _refuse(problems.INVALID, body, match.start(), "must be an integer of 64 bits", "too_large")


def _refuse(kind: Kind, body: bytes, offset: int, message: str, code: FieldCode) -> Problem:
    field = field_at(body, offset)
    where = f"The field {field}" if field else "The body"
    return refused(kind, FieldError(field, message, "body", code), f"{where} {message} (byte {offset}).")


def field_at(body: bytes, offset: int) -> str:
    """Return the path of the field that byte `offset` belongs to, as `payload.to.email`; empty for the whole body."""
    path: list[str | int] = []  # a name or an index for each container that is open
    last: bytes = b""
    for match in _TOKEN.finditer(body):
        token = match[0]
        if match.start() > offset or (token[:1] == b'"' and match.end() > offset):
            break
        if token == b"{":
            path.append("")
        elif token == b"[":
            path.append(0)
        elif token in b"}]" and path:
            path.pop()
        elif token == b":" and path and isinstance(path[-1], str):
            path[-1] = last[1:-1].decode("utf-8", "replace")
        elif token == b"," and path:
            place = path[-1]
            path[-1] = place + 1 if isinstance(place, int) else ""
        last = token
    return join_path(path[:_DEEPEST_NAMED])


def join_path(parts: Iterable[str | int]) -> str:
    """Return `payload.to[0].email` for `["payload", "to", 0, "email"]`; empty names are left out."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part:
            text += f".{part}" if text else part
    return text
