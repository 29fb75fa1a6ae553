"""Who changes an organization, and what they may hand on. Read again in the transaction that makes the change."""

from typing import Any, Final
from uuid import UUID

import msgspec

from singr_auth._principal import OrganizationError, Principal, ScopeError
from singr_auth.accounts._client import ClientInfo
from singr_auth.accounts._errors import NotAllowedError, NotFoundError, ReauthenticationRequiredError
from singr_config.constants import ROLE_PERMISSIONS
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession, TenantSession, sql_text

OWNER: Final = "customer_owner"
MANAGER: Final = "customer_manager"
STAFF: Final = "customer_staff"
ASSIGNABLE: Final = (OWNER, MANAGER, STAFF)
"""System roles that members of an organization can have."""

ORGANIZATION_PERMISSIONS: Final = ROLE_PERMISSIONS[OWNER]
"""What can be held within an organization: all there is, but for what the platform keeps to itself."""

POWERS: Final = frozenset({"organization:write", "api_keys:write"})
"""Whoever holds one of these can hand on what they hold, and so stay, whatever becomes of the session they came by."""

AnySession = PlatformSession | TenantSession

# Not FOR UPDATE: rows that merely refer to the organization need not wait.
_LOCK: Final = sql_text(
    "SELECT name FROM organizations WHERE id = :organization_id FOR NO KEY UPDATE", roles=("platform", "tenant")
)
_STANDING: Final = sql_text(
    """
    SELECT r.name, r.is_system,
           ARRAY(SELECT p.permission FROM role_permissions p WHERE p.role_id = r.id) AS permissions
    FROM memberships m JOIN roles r ON r.id = m.role_id JOIN users u ON u.id = m.user_id
    WHERE m.organization_id = :organization_id AND m.user_id = :user_id AND u.status = 'active'
    """,
    roles=("platform", "tenant"),
)
_CREDENTIAL: Final = sql_text(
    """
    SELECT effective_scopes(organization_id, holder_id, scopes) AS scopes FROM service_credentials
    WHERE organization_id = :organization_id AND key_id = :key_id
      AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    """,
    roles=("platform", "tenant"),
)


class Actor(msgspec.Struct, frozen=True):
    """Who makes a change.

    Attributes:
        name: for the audit trail: "user:<id>", or a credential's key id.
        permissions: what a person or credential of the platform holds, and the most that another credential may; a
            member's are read from the roles.
        user_id: the person; None for a service credential.
        platform: acts for any organization, by a platform credential or a platform role.
        client: the network address, as far as known.
        whole: the person's session proved what the account asks for today (`Reauthentication.is_whole`).
    """

    name: str
    permissions: frozenset[str] = frozenset()
    user_id: UUID | None = None
    platform: bool = False
    client: ClientInfo | None = None
    whole: bool = False

    @classmethod
    def of(cls, principal: Principal, client: ClientInfo | None = None, *, whole: bool = False) -> "Actor":
        """Make the actor of whom the edge let in."""
        return cls(
            name=principal.key_id,
            permissions=principal.scopes,
            user_id=principal.user_id,
            platform=principal.organization_id is None,
            client=client,
            whole=whole,
        )


class Standing(msgspec.Struct, frozen=True):
    """What an actor holds in one organization at this moment.

    Attributes:
        owner: an owner, or the platform.
        whole: a program; or a person in a session that proved what the account asks for today.
        of_person: it is somebody who is signed in.
    """

    permissions: frozenset[str]
    owner: bool
    whole: bool
    of_person: bool = False

    def require(self, permission: str) -> None:
        """Raise `ScopeError` unless this permission is held."""
        if permission not in self.permissions:
            raise ScopeError(permission, of_person=self.of_person)

    def require_all(self, permissions: frozenset[str], *, to: str) -> None:
        """Raise `NotAllowedError` unless all of these are held: nobody hands on, or takes away, what they lack."""
        missing = permissions - self.permissions
        if missing:
            raise NotAllowedError(f"To {to} you need permissions that you do not hold: {', '.join(sorted(missing))}.")

    def require_owner(self, *, to: str) -> None:
        """Raise `NotAllowedError` unless this is an owner."""
        if not self.owner:
            raise NotAllowedError(f"Only an owner may {to}.")

    def require_whole(self) -> None:
        """Raise `ReauthenticationRequiredError` where a second factor is on that the person's session never proved.

        For what gives power away, or makes some that outlives the session: one stolen factor must not be enough.
        """
        if not self.whole:
            raise ReauthenticationRequiredError(second_factor=True)


async def lock_organization(session: AnySession, organization_id: UUID) -> str:
    """Make changes of one organization's people and roles wait for each other; returns its name.

    Raises:
        NotFoundError: there is no such organization, or it is the platform's own.
    """
    name: str | None = None  # the platform's own organization has no members, and takes none
    if organization_id != PLATFORM_ORGANIZATION_ID:
        name = await session.scalar(_LOCK, {"organization_id": organization_id})
    if name is None:
        raise NotFoundError("organization")
    return name


async def standing_of(session: AnySession, organization_id: UUID, actor: Actor) -> Standing:
    """Return what the actor holds right now: a member's role, or a credential, is read again.

    Whatever the edge remembered: a change that waited for this organization's row may have taken it.

    Raises:
        OrganizationError: the person is no member (any more), or may not use their account; or the credential is not in
            force, or its holder has no standing.
    """
    of_person = actor.user_id is not None
    whole = not of_person or actor.whole
    if actor.platform:
        return Standing(actor.permissions & ORGANIZATION_PERMISSIONS, owner=True, whole=whole, of_person=of_person)
    if actor.user_id is None:
        key = {"organization_id": organization_id, "key_id": actor.name}
        scopes: list[str] | None = await session.scalar(_CREDENTIAL, key)
        if scopes is None:
            raise OrganizationError
        return Standing(actor.permissions & ORGANIZATION_PERMISSIONS & frozenset(scopes), owner=False, whole=whole)
    row: Any = (
        await session.execute(_STANDING, {"organization_id": organization_id, "user_id": actor.user_id})
    ).one_or_none()
    if row is None:
        raise OrganizationError
    permissions = frozenset(row.permissions) & ORGANIZATION_PERMISSIONS
    return Standing(permissions, owner=row.is_system and row.name == OWNER, whole=whole, of_person=True)


async def admit(session: AnySession, organization_id: UUID, actor: Actor, permission: str) -> Standing:
    """Lock the organization, and return the actor's standing once it holds `permission` there.

    Raises:
        NotFoundError: there is no such organization.
        OrganizationError: the actor is no member.
        ScopeError: it lacks the permission.
    """
    await lock_organization(session, organization_id)
    standing = await standing_of(session, organization_id, actor)
    standing.require(permission)
    return standing
