"""What the documentation of a person's own account shows."""

from typing import Any, Final

ME: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000ad",
    "account_type": "customer",
    "name": "Ada Lovelace",
    "email": "ada@example.org",
    "email_verified": True,
    "phone": "+1******0100",
    "phone_verified": True,
    "has_password": True,
    "second_factors": ["totp"],
    "passkeys": 1,
    "platform_role": None,
    "organizations": [
        {
            "id": "01920000-0000-7000-8000-000000000001",
            "name": "Blue Note",
            "slug": "blue-note",
            "role": "customer_owner",
        }
    ],
    "created_at": "2026-11-01T09:00:00Z",
    "last_sign_in_at": "2026-11-22T12:00:00Z",
}
RENAMED: Final = {**ME, "name": "Ada King"}
EVENT: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000e7",
    "kind": "sign_in.succeeded",
    "actor": "you",
    "organization_id": None,
    "address": "203.0.113.7",
    "device": "Firefox on Linux",
    "detail": {"factors": ["password", "totp"]},
    "created_at": "2026-11-22T12:00:00Z",
}
