"""What the documentation of organizations, members and roles shows."""

from typing import Any, Final

from singr_api.organizations.shared import MINE, MOMENT, ORGANIZATION, ROLE, USER
from singr_api.routing.operations import Example

VENUE: Final = Example("A venue", {"id": ORGANIZATION, "name": "Blue Note", "slug": "blue-note", "created_at": MOMENT})
OWNED: Final = {**MINE, "role": "customer_owner"}
MEMBER: Final[dict[str, Any]] = {
    "user_id": USER,
    "name": "Jane Doe",
    "email": "jane@example.org",
    "status": "active",
    "role": "customer_manager",
    "role_id": ROLE,
    "joined_at": MOMENT,
    "last_sign_in_at": MOMENT,
}
NEW_ROLE: Final[dict[str, Any]] = {
    "name": "Door",
    "description": "Manages the queue",
    "permissions": ["requests:read", "requests:process"],
}
ROLE_SHOWN: Final[dict[str, Any]] = {
    "id": ROLE,
    "name": "Door",
    "description": "Manages the queue",
    "system": False,
    "permissions": ["requests:process", "requests:read"],
}
EVENT: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000e1",
    "kind": "member.role_changed",
    "actor": f"user:{USER}",
    "user_id": USER,
    "address": "203.0.113.7",
    "device": "Firefox on Linux",
    "detail": {"from": "customer_staff", "to": "customer_manager"},
    "created_at": MOMENT,
}
_KEY: Final[dict[str, Any]] = {"key_id": "ak_5Tn3Xw8yLm1Po6Qr2", "name": "Till", "kind": "api_key"}
NARROWED: Final[dict[str, Any]] = {
    "consequences": {
        "revoked_credentials": [],
        "narrowed_credentials": [_KEY],
        "revoked_invitations": [],
        "cancelled_jobs": 0,
    }
}
REVOKED: Final[dict[str, Any]] = {
    "revoked_credentials": [_KEY],
    "narrowed_credentials": [],
    "revoked_invitations": [{"id": "019ab2c0-7f00-7000-8000-0000000000c1", "email": "jo@example.org"}],
    "cancelled_jobs": 2,
}
