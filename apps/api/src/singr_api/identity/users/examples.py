"""What the documentation of other people's accounts shows."""

from typing import Any, Final

from singr_api.identity.shared import SESSION

USER: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000ad",
    "account_type": "customer",
    "status": "active",
    "name": "Ada Lovelace",
    "email": "ada@example.org",
    "email_verified": True,
    "phone": None,
    "platform_role": None,
    "created_at": "2026-11-01T09:00:00Z",
    "last_sign_in_at": "2026-11-22T12:00:00Z",
    "disabled_at": None,
}
DISABLED: Final = {**USER, "status": "disabled", "disabled_at": "2026-11-22T13:00:00Z"}
EVENT: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000e8",
    "kind": "account.disabled",
    "actor": "user:019ab2c0-7f00-7000-8000-0000000000af",
    "organization_id": None,
    "address": "203.0.113.9",
    "device": "Firefox on Linux",
    "detail": {"ended": 2},
    "created_at": "2026-11-22T13:00:00Z",
}
OTHERS_SESSION: Final = {
    **SESSION,
    "current": False,
    "last_used_at": "2026-11-22T12:40:00Z",
    "expires_at": "2026-11-29T12:40:00Z",
}
