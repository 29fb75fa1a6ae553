"""Request signing and API keys; passwords, tokens and accounts on top.

The core needs neither database nor queue. `SignedRequestAuth` needs the extra `[httpx]`, `singr_auth.accounts` the
extra `[accounts]`.
"""

from typing import TYPE_CHECKING, Any

from singr_auth._api_keys import ApiKey, ApiKeyError, hash_api_key, new_api_key, parse_api_key
from singr_auth._principal import AccessError, OrganizationError, Principal, ScopeError
from singr_auth._signing import (
    KEY_HEADER,
    NONCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOLERANCE_SECONDS,
    SignatureError,
    SigningKey,
    new_signing_secret,
    sign_request,
    verify_request,
)

if TYPE_CHECKING:
    from singr_auth._httpx import SignedRequestAuth

__all__ = [
    "KEY_HEADER",
    "NONCE_HEADER",
    "SIGNATURE_HEADER",
    "TIMESTAMP_HEADER",
    "TOLERANCE_SECONDS",
    "AccessError",
    "ApiKey",
    "ApiKeyError",
    "OrganizationError",
    "Principal",
    "ScopeError",
    "SignatureError",
    "SignedRequestAuth",
    "SigningKey",
    "hash_api_key",
    "new_api_key",
    "new_signing_secret",
    "parse_api_key",
    "sign_request",
    "verify_request",
]


def __getattr__(name: str) -> Any:
    # httpx is an extra: a server that only verifies need not install it
    if name == "SignedRequestAuth":
        from singr_auth._httpx import SignedRequestAuth  # noqa: PLC0415 — the extra [httpx] may be absent

        return SignedRequestAuth
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
