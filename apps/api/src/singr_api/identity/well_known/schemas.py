"""What is answered under /.well-known."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_COORDINATE = Meta(pattern=r"^[A-Za-z0-9_-]{43}(?![\s\S])", description="32 bytes, base64url.")


class PublicKey(msgspec.Struct, frozen=True):
    """A P-256 public key for verifying access tokens (RFC 7517).

    Attributes:
        kid: as in the header of tokens: the key's thumbprint (RFC 7638).
    """

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: Annotated[str, _COORDINATE]
    y: Annotated[str, _COORDINATE]
    kid: str
    alg: Literal["ES256"]
    use: Literal["sig"]


class KeySet(msgspec.Struct, frozen=True):
    """The keys in use: the current signing key first, then the next or the previous one."""

    keys: tuple[PublicKey, ...]
