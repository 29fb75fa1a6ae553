"""What callers send and get for organizations."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from singr_api.http.fields import END, Cursor, LimitOfPeople
from singr_api.http.pages import PageOf
from singr_api.organizations.shared import MyOrganization, Name, Permission, RoleName
from singr_auth.accounts.organizations import (
    Consequences,
    MemberChange,
    MemberView,
    OrganizationEvent,
    RoleChange,
    RoleView,
)
from singr_config.constants import PAGINATION

_Description = Annotated[str, Meta(max_length=200, pattern=rf"^[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*{END}")]
_Permissions = Annotated[tuple[Permission, ...], Meta(max_length=100)]


class NameOrganization(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An organization's name."""

    name: Name


class ChangeMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member's new role, by name."""

    role: RoleName


class TransferOwnership(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The member who will become the owner."""

    user_id: UUID


class CreateRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role of the organization's own."""

    name: RoleName
    permissions: _Permissions
    description: _Description = ""


class ChangeRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields to change; fields left out stay unchanged."""

    name: RoleName | None = None
    permissions: _Permissions | None = None
    description: _Description | None = None


class MemberQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many, and from where on."""

    limit: LimitOfPeople = PAGINATION.default
    cursor: Cursor | None = None


class MyOrganizations(msgspec.Struct, frozen=True):
    """All organizations of the caller, by name."""

    items: tuple[MyOrganization, ...]


class ChangedMember(MemberView, frozen=True):
    """A member after the change, and the consequences of the change."""

    consequences: Consequences = Consequences()


class ChangedRole(RoleView, frozen=True):
    """A role after the change, and the consequences of the change."""

    consequences: Consequences = Consequences()


class MemberPage(PageOf[MemberView], frozen=True):
    """Some members, newest accounts first."""


class RoleList(msgspec.Struct, frozen=True):
    """All roles that members can have, system roles first."""

    items: tuple[RoleView, ...]


class EventPage(PageOf[OrganizationEvent], frozen=True):
    """Some security events, newest first."""


def changed_member(change: MemberChange) -> ChangedMember:
    """Return a member after a change, with its consequences."""
    return ChangedMember(**asdict(change.member), consequences=change.consequences)


def changed_role(change: RoleChange) -> ChangedRole:
    """Return a role after a change, with its consequences."""
    return ChangedRole(**asdict(change.role), consequences=change.consequences)
