"""What the documentation of invitations shows."""

from typing import Any, Final

from singr_api.organizations.shared import MOMENT, ORGANIZATION, ROLE, USER
from singr_api.routing.operations import Example

TOKEN: Final = "sin_7Q2xv1cKf8ZbE0mJ4nR6tY9wA3sD5gH1kL0pX8uC2vB4nM6qW"  # noqa: S105 — an example that opens nothing
LINK_TOKEN: Final = Example("The link's token", {"token": TOKEN})
_EXPIRES_AT: Final = "2026-11-29T12:00:00Z"
INVITATION: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-0000000000c1",
    "organization_id": ORGANIZATION,
    "email": "jane@example.org",
    "role": "customer_staff",
    "role_id": ROLE,
    "status": "open",
    "invited_by": USER,
    "created_at": MOMENT,
    "sent_at": MOMENT,
    "expires_at": _EXPIRES_AT,
    "accepted_at": None,
    "revoked_at": None,
}
OWN_INVITATION: Final[dict[str, Any]] = {
    "id": INVITATION["id"],
    "organization_name": "Blue Note",
    "role": "customer_staff",
    "inviter_name": "Olga",
    "created_at": MOMENT,
    "expires_at": _EXPIRES_AT,
}
PREVIEW: Final[dict[str, Any]] = {
    "organization_name": "Blue Note",
    "email": "jane@example.org",
    "role": "customer_staff",
    "inviter_name": "Olga",
    "expires_at": _EXPIRES_AT,
    "has_account": False,
}
