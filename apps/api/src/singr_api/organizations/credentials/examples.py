"""What the documentation of API keys and service credentials shows."""

from typing import Any, Final

_ORGANIZATION: Final = "01920000-0000-7000-8000-000000000001"
_SCOPES: Final = ["jobs:write", "notifications:write"]
REPLACED: Final = "ak_2Zb7Kc0pQe9Rt4Uv1"
FOR_A_TILL: Final[dict[str, Any]] = {"name": "Till", "scopes": _SCOPES, "holder": "organization"}
REVOKED: Final[dict[str, Any]] = {
    "revoked_credentials": [
        {"key_id": REPLACED, "name": "Till", "kind": "api_key"},
        {"key_id": "ak_8Wd3Hf6sLk1Mn5Jq0", "name": "Printer", "kind": "api_key"},
    ],
    "kept_credentials": [{"key_id": "ak_5Tn3Xw8yLm1Po6Qr2", "name": "Till", "kind": "api_key"}],
    "revoked_invitations": [{"id": "019ab2c0-7f00-7000-8000-0000000000b1", "email": "grace@example.org"}],
    "cancelled_jobs": 2,
}


def listed(key_id: str) -> dict[str, Any]:
    """Return a credential as it is listed."""
    return {
        "key_id": key_id,
        "name": "Till",
        "organization_id": _ORGANIZATION,
        "scopes": _SCOPES,
        "status": "in_force",
        "created_at": "2026-11-22T12:00:00Z",
        "created_by": "user:019ab2c0-7f00-7000-8000-0000000000a1",
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": "2026-11-22T12:30:00Z",
        "replaced_by": None,
        "holder": "person",
        "holder_id": "019ab2c0-7f00-7000-8000-0000000000a1",
        "effective_scopes": _SCOPES,
    }


def made(key_id: str, secret: str, *, replaces: str | None = None) -> dict[str, Any]:
    """Return a new credential, with its secret."""
    return {
        "key_id": key_id,
        "name": "Till",
        "secret": secret,
        "organization_id": _ORGANIZATION,
        "scopes": _SCOPES,
        "expires_at": None,
        "replaces": replaces,
        "holder": "person",
    }
