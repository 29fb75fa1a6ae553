"""Answers that anybody may keep: told apart by a validator, sent again only when they changed, and compressed.

An answer is one of these if its route says `cache-control: public`. None of them holds a secret or a caller's words, so
that their compressed size tells nothing.
"""

import gzip
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

Headers = list[tuple[bytes, bytes]]

NOT_MODIFIED: Final = 304
_WORTH_IT: Final = 1024
_MOST_KEPT: Final = 64
_WEAK: Final = b"W/"
_OF_CONTENT: Final = frozenset({b"content-length", b"content-type", b"content-encoding"})


def is_public(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether an answer may be kept by anybody."""
    return any(name == b"cache-control" and value.startswith(b"public") for name, value in headers)


def public_answer(
    asked: Iterable[tuple[bytes, bytes]], headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of such an answer (RFC 9110, 8.8.3, 12.5.3 and 13.1.2).

    Args:
        asked: the request's header fields.
        headers: of the answer as its route made it.
        body: likewise, whole.
    """
    tag, packed = _packed(body)
    wanted = _joined(asked, b"accept-encoding")
    encoded = packed is not None and _admits_gzip(wanted)
    tags = (b'"%s-gzip"' % tag, b'"%s"' % tag) if encoded else (b'"%s"' % tag, b'"%s-gzip"' % tag)
    kept = [header for header in headers if header[0] != b"content-length"]
    if packed is not None:
        kept.append((b"vary", b"accept-encoding"))
    known = {one.strip().removeprefix(_WEAK) for one in _joined(asked, b"if-none-match").split(b",")}
    for one in tags:
        if one in known or b"*" in known:
            bare = [header for header in kept if header[0] not in _OF_CONTENT]
            return NOT_MODIFIED, [*bare, (b"etag", one)], b""
    if encoded and packed is not None:
        body = packed
        kept.append((b"content-encoding", b"gzip"))
    return 200, [*kept, (b"etag", tags[0]), (b"content-length", b"%d" % len(body))], body


@lru_cache(maxsize=_MOST_KEPT)
def _packed(body: bytes) -> tuple[bytes, bytes | None]:
    """Return a validator, and the body compressed where that is worth it: once for each body, not for each request."""
    tag = urlsafe_b64encode(hashlib.sha256(body).digest()[:15])
    return tag, gzip.compress(body, mtime=0) if len(body) >= _WORTH_IT else None


def _joined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    return b",".join(value for key, value in headers if key == name)


def _admits_gzip(accept: bytes) -> bool:
    told: dict[bytes, bool] = {}
    for item in accept.lower().split(b","):
        coding, *parameters = (part.strip() for part in item.split(b";"))
        told[coding] = not any(
            parameter.startswith(b"q=") and not parameter[2:].strip(b"0.") for parameter in parameters
        )
    return told.get(b"gzip", told.get(b"*", False))
