"""What is answered under /.well-known."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_COORDINATE = Meta(pattern=r"^[A-Za-z0-9_-]{43}(?![\s\S])", description="32 bytes, base64url.")


class PublicKey(msgspec.Struct, frozen=True):
    """A key on P-256 that access tokens are verified with (RFC 7517).

    Attributes:
        kid: as in the header of tokens: the thumbprint of the key (RFC 7638).
    """

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: Annotated[str, _COORDINATE]
    y: Annotated[str, _COORDINATE]
    kid: str
    alg: Literal["ES256"]
    use: Literal["sig"]


class KeySet(msgspec.Struct, frozen=True):
    """The keys in use: the one that signs comes first; others are the next, or the one before."""

    keys: tuple[PublicKey, ...]
