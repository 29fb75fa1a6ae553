"""What callers send and get for organizations."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import END, Cursor, EmailAddress, FirstPassword, Limit
from singr_api.organizations.shared import LINE, Name, Permission
from singr_auth.accounts.organizations import (
    Consequences,
    InvitationView,
    MemberChange,
    Membership,
    MemberView,
    OrganizationEvent,
    OwnInvitation,
    RoleChange,
    RoleView,
)
from singr_config.constants import PAGINATION

RoleName = Annotated[str, Meta(min_length=1, max_length=50, pattern=LINE, examples=["customer_staff"])]
Token = Annotated[
    str,
    Meta(min_length=1, max_length=200, description="Of the invitation's link.", examples=["sin_" + "0" * 49]),
]
UserPageSize = Annotated[int, Meta(ge=PAGINATION.least, le=PAGINATION.most_users)]


class NameOrganization(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An organization's name."""

    name: Name


class ChangeMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member's new role, by name."""

    role: RoleName


class TransferOwnership(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The member who becomes the owner."""

    user_id: UUID


class CreateInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to invite, and to which role."""

    email: EmailAddress
    role: RoleName


class InvitationToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of an invitation's link."""

    token: Token


class RegisterByInvitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new account for the invited address."""

    token: Token
    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=LINE, examples=["Jane Doe"])]
    password: FirstPassword


class CreateRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role of the organization's own."""

    name: RoleName
    permissions: Annotated[tuple[Permission, ...], Meta(max_length=100)]
    description: Annotated[str, Meta(max_length=200, pattern=rf"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*{END}")] = ""


class ChangeRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different; what is left out stays."""

    name: RoleName | None = None
    permissions: Annotated[tuple[Permission, ...], Meta(max_length=100)] | None = None
    description: Annotated[str, Meta(max_length=200, pattern=rf"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*{END}")] | None = (
        None
    )


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many, and from where on."""

    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class MemberQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many, and from where on."""

    limit: UserPageSize = PAGINATION.default
    cursor: Cursor | None = None


class MyOrganization(msgspec.Struct, frozen=True):
    """An organization, and the caller's place in it.

    Attributes:
        slug: its name in addresses; stays when the organization is renamed.
        permissions: what the caller's role allows.
    """

    id: UUID
    name: str
    slug: str
    created_at: dt.datetime
    role: str
    permissions: tuple[str, ...]
    joined_at: dt.datetime


class MyOrganizations(msgspec.Struct, frozen=True):
    """All organizations of the caller, by name."""

    items: tuple[MyOrganization, ...]


class NewMember(msgspec.Struct, frozen=True):
    """A new account and the organization that it belongs to; sign in with the password."""

    user_id: UUID
    organization: MyOrganization


class ChangedMember(MemberView, frozen=True):
    """A member as they are after the change, and what it took from what people had set in motion."""

    consequences: Consequences = Consequences()


class ChangedRole(RoleView, frozen=True):
    """A role as it is after the change, and what that took from what people had set in motion."""

    consequences: Consequences = Consequences()


class MemberPage(msgspec.Struct, frozen=True):
    """Some members, the youngest accounts first."""

    items: tuple[MemberView, ...]
    next_cursor: str | None


class InvitationPage(msgspec.Struct, frozen=True):
    """Some invitations, newest first."""

    items: tuple[InvitationView, ...]
    next_cursor: str | None


class OwnInvitationPage(msgspec.Struct, frozen=True):
    """Some open invitations to the caller, newest first."""

    items: tuple[OwnInvitation, ...]
    next_cursor: str | None


class RoleList(msgspec.Struct, frozen=True):
    """All roles that members can have: the system's first."""

    items: tuple[RoleView, ...]


class EventPage(msgspec.Struct, frozen=True):
    """Some security events, newest first."""

    items: tuple[OrganizationEvent, ...]
    next_cursor: str | None


def mine(membership: Membership) -> MyOrganization:
    """Return a membership as it is shown to its holder."""
    organization = membership.organization
    return MyOrganization(
        id=organization.id,
        name=organization.name,
        slug=organization.slug,
        created_at=organization.created_at,
        role=membership.role,
        permissions=membership.permissions,
        joined_at=membership.joined_at,
    )


def changed_member(change: MemberChange) -> ChangedMember:
    """Return a member after a change, with its consequences."""
    return ChangedMember(**_fields(change.member), consequences=change.consequences)


def changed_role(change: RoleChange) -> ChangedRole:
    """Return a role after a change, with its consequences."""
    return ChangedRole(**_fields(change.role), consequences=change.consequences)


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
