"""Passwords, access tokens, second factors, API keys and request signing; accounts and organizations on top.

The core needs neither database nor queue nor web framework. `SignedRequestAuth`, `RemoteKeys` and `RemoteAccess` need
the extra `[httpx]`, `qr_svg` and `qr_png` the extra `[qr]`, `singr_auth.accounts`, `singr_auth.fastapi` and
`singr_auth.litestar` those of their names.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from singr_auth._codes._codes import (
    BACKUP_ALPHABET,
    CodeError,
    check_code_form,
    new_backup_codes,
    new_code,
    normalise_backup_code,
)
from singr_auth._codes._totp import TotpError, match_totp, new_totp_secret, provisioning_uri
from singr_auth._passwords._hashing import (
    PasswordHasher,
    PasswordQueueFullError,
    WrongPasswordError,
    normalise_password,
)
from singr_auth._passwords._policy import (
    PASSWORD_LENGTH_ALONE,
    PASSWORD_LENGTH_MOST,
    PASSWORD_LENGTH_WITH_SECOND_FACTOR,
    PasswordPolicy,
    WeakPasswordError,
)
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
from singr_auth._tokens._access_tokens import (
    CLIENT_ID,
    CLOCK_TOLERANCE_SECONDS,
    LONGEST_LIFE_SECONDS,
    TOKEN_TYPE,
    AccessToken,
    AccessTokenError,
    AccessTokenIssuer,
    AccessTokenVerifier,
    IssuedToken,
)
from singr_auth._tokens._api_keys import ApiKey, ApiKeyError, hash_api_key, new_api_key, parse_api_key
from singr_auth._tokens._keys import KeyFormError, KeyRing, KeySource, PublicKeys
from singr_auth._tokens._opaque_tokens import OpaqueToken, TokenError, TokenKind, derived_token, new_token, parse_token
from singr_config.extras import MissingExtraError, as_asked, is_installed

if TYPE_CHECKING:
    from singr_auth._codes._qr import qr_png, qr_svg
    from singr_auth._httpx import SignedRequestAuth
    from singr_auth._remote._access import RefusedError, RemoteAccess
    from singr_auth._remote._keys import KeysUnavailableError, RemoteAccessTokenVerifier, RemoteKeys

__all__ = [
    "BACKUP_ALPHABET",
    "CLIENT_ID",
    "CLOCK_TOLERANCE_SECONDS",
    "KEY_HEADER",
    "LONGEST_LIFE_SECONDS",
    "NONCE_HEADER",
    "PASSWORD_LENGTH_ALONE",
    "PASSWORD_LENGTH_MOST",
    "PASSWORD_LENGTH_WITH_SECOND_FACTOR",
    "SIGNATURE_HEADER",
    "TIMESTAMP_HEADER",
    "TOKEN_TYPE",
    "TOLERANCE_SECONDS",
    "AccessError",
    "AccessToken",
    "AccessTokenError",
    "AccessTokenIssuer",
    "AccessTokenVerifier",
    "ApiKey",
    "ApiKeyError",
    "CodeError",
    "IssuedToken",
    "KeyFormError",
    "KeyRing",
    "KeySource",
    "KeysUnavailableError",
    "OpaqueToken",
    "OrganizationError",
    "PasswordHasher",
    "PasswordPolicy",
    "PasswordQueueFullError",
    "Principal",
    "PublicKeys",
    "RefusedError",
    "RemoteAccess",
    "RemoteAccessTokenVerifier",
    "RemoteKeys",
    "ScopeError",
    "SignatureError",
    "SignedRequestAuth",
    "SigningKey",
    "TokenError",
    "TokenKind",
    "TotpError",
    "WeakPasswordError",
    "WrongPasswordError",
    "check_code_form",
    "derived_token",
    "hash_api_key",
    "match_totp",
    "new_api_key",
    "new_backup_codes",
    "new_code",
    "new_signing_secret",
    "new_token",
    "new_totp_secret",
    "normalise_backup_code",
    "normalise_password",
    "parse_api_key",
    "parse_token",
    "provisioning_uri",
    "qr_png",
    "qr_svg",
    "sign_request",
    "verify_request",
]


# What an extra brings is imported when it is asked for: a server that only verifies need not install it
_LAZY = {
    "SignedRequestAuth": "_httpx",
    "KeysUnavailableError": "_remote._keys",
    "RemoteAccessTokenVerifier": "_remote._keys",
    "RemoteKeys": "_remote._keys",
    "RefusedError": "_remote._access",
    "RemoteAccess": "_remote._access",
    "qr_png": "_codes._qr",
    "qr_svg": "_codes._qr",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"singr_auth.{_LAZY[name]}"), name)
    except MissingExtraError as error:
        raise as_asked(error, sys._getframe(1)) from error  # noqa: SLF001 — who asks is told nowhere else


# `from singr_auth import *` brings what is installed
_ABSENT = {one for one in set(_LAZY.values()) if not is_installed("segno" if one == "_codes._qr" else "httpx")}
__all__[:] = [name for name in __all__ if _LAZY.get(name) not in _ABSENT]
