"""What several capabilities of organizations take, answer, show and are guarded by, and who acts in them."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta
from msgspec.structs import asdict

from singr_api.admission.call import Call
from singr_api.admission.policy import Access
from singr_api.http.fields import VISIBLE_LINE
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo
from singr_auth.accounts.organizations import ORGANIZATION_PERMISSIONS, Actor, Membership, OrganizationView

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=VISIBLE_LINE, examples=["Blue Note"])]
RoleName = Annotated[str, Meta(min_length=1, max_length=50, pattern=VISIBLE_LINE, examples=["customer_staff"])]
if TYPE_CHECKING:
    Permission: TypeAlias = str
else:
    Permission = Literal[tuple(sorted(ORGANIZATION_PERMISSIONS))]  # no type checker reads names made at run time

# Rules of policies, over those of a section that readers of an organization may call.
HAND: Final[dict[str, Any]] = {"scope": "organization:write", "hands_on": True}
OWN: Final[dict[str, Any]] = {"access": Access.USER, "scope": None}
"""A person's own doing, whatever their role allows: the flow asks for membership, for an owner, or for a link."""

ORGANIZATION: Final = "01920000-0000-7000-8000-000000000001"
USER: Final = "019ab2c0-7f00-7000-8000-0000000000a1"
ROLE: Final = "019ab2c0-7f00-7000-8000-0000000000b1"
MOMENT: Final = "2026-11-22T12:00:00Z"
MINE: Final[dict[str, Any]] = {
    "id": ORGANIZATION,
    "name": "Blue Note",
    "slug": "blue-note",
    "created_at": MOMENT,
    "role": "customer_staff",
    "permissions": ["branding:read", "requests:process", "requests:read", "songdb:read", "systems:read", "venues:read"],
    "joined_at": MOMENT,
}


class MyOrganization(OrganizationView, frozen=True):
    """An organization, and the caller's role in it.

    Attributes:
        slug: its name in URLs; unchanged when the organization is renamed.
        permissions: the permissions of the caller's role.
    """

    role: str
    permissions: tuple[str, ...]
    joined_at: dt.datetime


def mine(place: Membership) -> MyOrganization:
    """Return a membership as it is shown to its holder."""
    return MyOrganization(
        **asdict(place.organization), role=place.role, permissions=place.permissions, joined_at=place.joined_at
    )


async def acting(call: Call, client: ClientInfo, services: Services) -> Actor:
    """Return who acts for an organization, and whether their session proved what their account asks for today."""
    person = call.caller.person
    whole = person is not None and await services.accounts.reauthentication.is_whole(person.session_id)
    return Actor.of(call.principal, client, whole=whole)
