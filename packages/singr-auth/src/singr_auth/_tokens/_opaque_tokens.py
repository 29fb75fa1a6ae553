"""Opaque tokens: a prefix that says what for, 256 random bits in base 62, and a checksum.

Refresh tokens, links' tokens, challenges and device tokens carry nothing: they are names of rows, looked up by their
SHA-256, so that a copy of the database opens nothing. Drawn from 2^256, they need no slow hash. The prefix keeps a
token of one kind from being tried as another, and lets secret scanners recognise a leak; the checksum refuses a torn
or mistyped one without a look into the database.
"""

import hashlib
import re
import secrets
from enum import StrEnum
from typing import Final, Literal

from singr_auth._tokens import _base62
from singr_config import HoldsSecrets, PortableError, Secret
from singr_config.text import as_linked

_ENTROPY_BYTES: Final = 32
_RANDOM_WIDTH: Final = 43  # 62**43 > 2**256
_CHECKSUM_WIDTH: Final = 6


class TokenKind(StrEnum):
    """What a token is for; the value is the prefix of its text."""

    REFRESH = "srt_"
    MAGIC_LINK = "sml_"
    EMAIL = "sev_"
    EMAIL_CHANGE = "sec_"
    EMAIL_UNDO = "seu_"
    PASSWORD_RESET = "spr_"  # noqa: S105 — the public prefix of such tokens, not one
    INVITATION = "sin_"
    CHALLENGE = "sch_"
    DEVICE = "sdv_"


_FORMS: Final = {
    kind: re.compile(rf"{kind.value}[0-9A-Za-z]{{{_RANDOM_WIDTH + _CHECKSUM_WIDTH}}}", re.ASCII) for kind in TokenKind
}


_IN_LINKS: Final = frozenset(
    {
        *(TokenKind.MAGIC_LINK, TokenKind.EMAIL, TokenKind.EMAIL_CHANGE, TokenKind.EMAIL_UNDO),
        *(TokenKind.PASSWORD_RESET, TokenKind.INVITATION),
    }
)


class TokenError(PortableError, ValueError):
    """The text is not a token of that kind. Never carries the text itself.

    Attributes:
        code: always `malformed`: wrong prefix, length or alphabet, or a checksum that does not fit.
    """

    def __init__(self) -> None:
        super().__init__("This is not a token of the kind that is asked for; it may be cut off.")
        self.code: Literal["malformed"] = "malformed"


class OpaqueToken(HoldsSecrets, frozen=True):
    """A well-formed token.

    Attributes:
        kind: what it is for.
        secret: the token itself: hand it over once, store it nowhere.
        hash: SHA-256 of its text, 32 bytes: what to store and to look it up by.
    """

    kind: TokenKind
    secret: Secret
    hash: bytes


def new_token(kind: TokenKind) -> OpaqueToken:
    """Draw a token of 256 random bits."""
    return derived_token(kind, secrets.token_bytes(_ENTROPY_BYTES))


def derived_token(kind: TokenKind, entropy: bytes) -> OpaqueToken:
    """Make the token that these 32 bytes give, the same one each time.

    It is as secret as `entropy`, which must be uniformly random to everyone else: random bytes, or an HMAC-SHA256.

    Raises:
        ValueError: `entropy` has another length.
    """
    if len(entropy) != _ENTROPY_BYTES:
        raise ValueError(f"A token is made from {_ENTROPY_BYTES} bytes.")
    body = kind.value + _base62.encode(entropy, _RANDOM_WIDTH)
    return _token(kind, body + _base62.checksum(body))


def parse_token(kind: TokenKind, text: str) -> OpaqueToken:
    """Read a token as presented by a caller. That it is well-formed proves nothing: look its hash up.

    One of a link may have the sign behind it that followed the link in its mail.

    Raises:
        TokenError: it is not a whole token of this kind.
    """
    if kind in _IN_LINKS:
        text = as_linked(text)
    if not _FORMS[kind].fullmatch(text) or _base62.checksum(text[:-_CHECKSUM_WIDTH]) != text[-_CHECKSUM_WIDTH:]:
        raise TokenError
    return _token(kind, text)


def _token(kind: TokenKind, text: str) -> OpaqueToken:
    return OpaqueToken(kind, Secret(text), hashlib.sha256(text.encode()).digest())
