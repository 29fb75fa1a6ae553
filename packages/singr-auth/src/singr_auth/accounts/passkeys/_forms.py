"""What browsers send of a passkey: the JSON that `PublicKeyCredential.toJSON()` gives (WebAuthn Level 3, 5.1).

Members that are not named here, such as `clientExtensionResults`, are passed over: browsers add to them.
"""

import base64
import binascii
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

_BASE64URL: Final = r"^[A-Za-z0-9_-]+(?![\s\S])"
_EXAMPLE_ID: Final = "Ka1oXmLcW1ZVf3yOw4rkGw"

# 1,023 bytes are the most that an id may have (Level 3, 7.1).
CredentialId = Annotated[
    str,
    Meta(min_length=1, max_length=1364, pattern=_BASE64URL, description="base64url, unpadded", examples=[_EXAMPLE_ID]),
]
ClientData = Annotated[str, Meta(min_length=1, max_length=8192, pattern=_BASE64URL, description="base64url, unpadded")]
Blob = Annotated[str, Meta(min_length=1, max_length=32_768, pattern=_BASE64URL, description="base64url, unpadded")]
Signature = Annotated[str, Meta(min_length=1, max_length=8192, pattern=_BASE64URL, description="base64url, unpadded")]
UserHandle = Annotated[str, Meta(min_length=1, max_length=86, pattern=_BASE64URL, description="base64url, unpadded")]
Transport = Annotated[str, Meta(max_length=32)]


class AttestationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `navigator.credentials.create()`."""

    client_data_json: ClientData = msgspec.field(name="clientDataJSON")
    attestation_object: Blob = msgspec.field(name="attestationObject")
    transports: Annotated[list[Transport], Meta(max_length=16)] = []


class NewPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """A new credential, as the browser's `toJSON()` returns it."""

    id: CredentialId
    raw_id: CredentialId = msgspec.field(name="rawId")
    type: Literal["public-key"]
    response: AttestationResponse


class AssertionResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `navigator.credentials.get()`."""

    client_data_json: ClientData = msgspec.field(name="clientDataJSON")
    authenticator_data: Blob = msgspec.field(name="authenticatorData")
    signature: Signature
    user_handle: UserHandle | None = msgspec.field(name="userHandle", default=None)


class PasskeyAssertion(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey assertion, as the browser's `toJSON()` returns it."""

    id: CredentialId
    raw_id: CredentialId = msgspec.field(name="rawId")
    type: Literal["public-key"]
    response: AssertionResponse


def from_base64url(text: str) -> bytes:
    """Decode unpadded base64url (RFC 4648, 5), and nothing that merely resembles it.

    Raises:
        ValueError: it is none.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64url without padding") from None
    if to_base64url(raw) != text:
        raise ValueError("must be base64url without padding")
    return raw


def to_base64url(raw: bytes) -> str:
    """Encode without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
