"""Roles of an organization: the three that every organization has, and those it makes itself."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_auth.accounts._errors import ConflictError, InvalidValueError, NotFoundError
from singr_auth.accounts.audit._events import record_event
from singr_auth.accounts.notices._notices import Notifier
from singr_auth.accounts.organizations._actor import (
    ASSIGNABLE,
    ORGANIZATION_PERMISSIONS,
    OWNER,
    POWERS,
    Actor,
    AnySession,
    Standing,
    admit,
)
from singr_auth.accounts.organizations._consequences import Consequences, held, settle
from singr_auth.accounts.people._users import checked_name
from singr_auth.accounts.sessions._access_feed import note_change
from singr_config.constants import ROLES
from singr_config.skeletons import bare_skeletons, skeletons
from singr_db import new_id, sql_text

MOST_ROLES: Final = 50
_SELECT: Final = """
    SELECT r.id, r.name, r.description, r.is_system AS system,
           ARRAY(SELECT permission FROM role_permissions WHERE role_id = r.id ORDER BY permission) AS permissions
    FROM roles r
    WHERE (r.organization_id = :organization_id OR (r.organization_id IS NULL AND r.is_system AND r.name = ANY(:names)))
"""
_LIST: Final = sql_text(f"{_SELECT} ORDER BY r.is_system DESC, r.name", roles=("platform", "tenant"))
_BY_ID: Final = sql_text(f"{_SELECT} AND r.id = :role_id", roles=("platform", "tenant"))
_BY_NAME: Final = sql_text(
    f"{_SELECT} AND r.name = :name ORDER BY r.is_system DESC LIMIT 1", roles=("platform", "tenant")
)
_COUNT: Final = sql_text(
    "SELECT count(*) FROM roles WHERE organization_id = :organization_id", roles=("platform", "tenant")
)
_INSERT: Final = sql_text(
    """
    INSERT INTO roles (id, organization_id, name, description) VALUES (:id, :organization_id, :name, :description)
    ON CONFLICT (organization_id, name) DO NOTHING RETURNING id
    """,
    roles=("platform", "tenant"),
)
_UPDATE: Final = sql_text(
    "UPDATE roles SET name = :name, description = :description WHERE id = :id", roles=("platform", "tenant")
)
_TAKE: Final = sql_text(
    "DELETE FROM role_permissions WHERE role_id = :role_id AND NOT permission = ANY(:permissions)",
    roles=("platform", "tenant"),
)
_GIVE: Final = sql_text(
    """
    INSERT INTO role_permissions (role_id, permission) SELECT :role_id, unnest(CAST(:permissions AS text[]))
    ON CONFLICT DO NOTHING
    """,
    roles=("platform", "tenant"),
)
_HELD: Final = sql_text(
    "SELECT count(*) FROM memberships WHERE organization_id = :organization_id AND role_id = :role_id",
    roles=("platform", "tenant"),
)
_OFFERED: Final = sql_text(
    """
    SELECT count(*) FROM invitations WHERE organization_id = :organization_id AND role_id = :role_id
    AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()
    """,
    roles=("platform", "tenant"),
)
# What they led to is told by the audit trail.
_FORGET_INVITATIONS: Final = sql_text(
    "DELETE FROM invitations WHERE organization_id = :organization_id AND role_id = :role_id",
    roles=("platform", "tenant"),
)
_DELETE: Final = sql_text(
    "DELETE FROM roles WHERE organization_id = :organization_id AND id = :role_id", roles=("platform", "tenant")
)


class RoleView(msgspec.Struct, frozen=True):
    """A role and its permissions.

    Attributes:
        system: whether it is a system role, which every organization has and none can change.
    """

    id: UUID
    name: str
    description: str
    system: bool
    permissions: tuple[str, ...]

    @property
    def owner(self) -> bool:
        """Whether it is the owner's role."""
        return self.system and self.name == OWNER

    @property
    def powerful(self) -> bool:
        """Whether its holders can hand power on: what changes hands with it is asked for like a change of password."""
        return bool(POWERS & frozenset(self.permissions))

    def grantable_by(self, standing: Standing) -> None:
        """Raise unless this standing may hand the role on, or take it from somebody.

        Raises:
            NotAllowedError: it holds less; or the role is the owner's, and it is no owner.
            ReauthenticationRequiredError: the role is powerful, and the session proved less than the account asks for.
        """
        if self.owner:
            standing.require_owner(to="make somebody an owner, or change an owner")
        standing.require_all(frozenset(self.permissions), to=f"give or take the role {self.name}")
        if self.powerful:
            standing.require_whole()


async def find_role(session: AnySession, organization_id: UUID, name: str, *, field: str = "role") -> RoleView:
    """Return the role of this name that members of the organization can have.

    Raises:
        InvalidValueError: there is none.
    """
    row = (await session.execute(_BY_NAME, _names(organization_id) | {"name": name})).one_or_none()
    if row is None:
        message = "must be the name of a role of this organization: see its roles"
        raise InvalidValueError(field, message, code="not_found")
    return _view(row)


async def role_by_id(session: AnySession, organization_id: UUID, role_id: UUID) -> RoleView:
    """Return a role of the organization.

    Raises:
        NotFoundError: there is none with this id.
    """
    row = (await session.execute(_BY_ID, _names(organization_id) | {"role_id": role_id})).one_or_none()
    if row is None:
        raise NotFoundError("role")
    return _view(row)


class RoleChange(msgspec.Struct, frozen=True):
    """A role as it is after a change, and what that took from what people had set in motion."""

    role: RoleView
    consequences: Consequences


class Roles:
    """Lists, makes and changes roles. Every method works in the caller's transaction, which the caller commits.

    Args:
        notifier: tells owners about credentials that can do less since a role can.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def list(self, session: AnySession, organization_id: UUID) -> tuple[RoleView, ...]:
        """Return the roles that members can have: the system's first, then the organization's own by name."""
        return tuple(_view(row) for row in await session.execute(_LIST, _names(organization_id)))

    async def create(
        self,
        session: AnySession,
        organization_id: UUID,
        *,
        name: str,
        description: str = "",
        permissions: Iterable[str],
        actor: Actor,
    ) -> RoleView:
        """Make a role that holds no more than its maker does.

        Raises:
            InvalidValueError: the name is a system role's; or a permission is unknown, or the platform's own.
            ConflictError: the name is taken, or there are 50 roles already.
            NotAllowedError: a permission that the actor does not hold.
            ReauthenticationRequiredError: it can hand power on, and the session proved less than the account asks for.
            ScopeError, OrganizationError, NotFoundError: as `admit`.
        """
        standing = await admit(session, organization_id, actor, "organization:write")
        wanted = _checked(permissions)
        standing.require_all(wanted, to="make this role")
        if wanted & POWERS:
            standing.require_whole()
        name = await self._free_name(session, organization_id, name)
        if (await session.scalar(_COUNT, {"organization_id": organization_id}) or 0) >= MOST_ROLES:
            raise ConflictError(f"An organization has at most {MOST_ROLES} roles of its own: remove one first.")
        row = {"id": new_id(), "organization_id": organization_id, "name": name, "description": description}
        role_id = await session.scalar(_INSERT, row)
        if role_id is None:
            raise ConflictError("There is already a role with this name.", field="name")
        await session.execute(_GIVE, {"role_id": role_id, "permissions": sorted(wanted)})
        await _recorded(session, organization_id, "role.created", actor, {"role": name, "permissions": sorted(wanted)})
        return await role_by_id(session, organization_id, role_id)

    async def change(
        self,
        session: AnySession,
        organization_id: UUID,
        role_id: UUID,
        *,
        name: str | None = None,
        description: str | None = None,
        permissions: Iterable[str] | None = None,
        actor: Actor,
    ) -> RoleChange:
        """Change a role; whoever has it holds the new permissions from the next request on.

        So do their credentials. Open invitations that their sender could not send any more are revoked.

        Raises:
            ConflictError: the name is taken, or it is a system role.
            NotAllowedError: a permission, before or after, that the actor does not hold.
            ReauthenticationRequiredError: it grows, or could hand power on, and the session proved less than the
                account asks for.
            InvalidValueError: as `create`.
            ScopeError, OrganizationError, NotFoundError: as `admit`; NotFoundError also: no such role.
        """
        standing = await admit(session, organization_id, actor, "organization:write")
        role = await self._own(session, organization_id, role_id)
        before = frozenset(role.permissions)
        after = before if permissions is None else _checked(permissions)
        standing.require_all(before | after, to="change this role")
        if after - before or (before - after and before & POWERS):
            standing.require_whole()
        if name is not None and name != role.name:
            name = await self._free_name(session, organization_id, name, but=role_id)
        await session.execute(
            _UPDATE,
            {
                "id": role_id,
                "name": role.name if name is None else name,
                "description": role.description if description is None else description,
            },
        )
        had = await held(session, organization_id)
        if after != before:
            await session.execute(_TAKE, {"role_id": role_id, "permissions": sorted(after)})
            await session.execute(_GIVE, {"role_id": role_id, "permissions": sorted(after)})
        await note_change(session, "organization", organization_id)
        detail = {"role": role.name, "given": sorted(after - before), "taken": sorted(before - after)}
        await _recorded(session, organization_id, "role.changed", actor, detail)
        lost = await settle(session, organization_id, had, actor=actor, notifier=self._notifier)
        return RoleChange(await role_by_id(session, organization_id, role_id), lost)

    async def delete(self, session: AnySession, organization_id: UUID, role_id: UUID, *, actor: Actor) -> None:
        """Remove a role that nobody has and nobody is invited to.

        Raises:
            NotAllowedError: one with permissions that the actor does not hold.
            ConflictError: it is in use, or a system role.
            ScopeError, OrganizationError, NotFoundError: as `admit`; NotFoundError also: no such role.
        """
        standing = await admit(session, organization_id, actor, "organization:write")
        role = await self._own(session, organization_id, role_id)
        standing.require_all(frozenset(role.permissions), to="remove this role")
        key = {"organization_id": organization_id, "role_id": role_id}
        if await session.scalar(_HELD, key) or await session.scalar(_OFFERED, key):
            raise ConflictError("Members have this role, or are invited to it: give them another role first.")
        await session.execute(_FORGET_INVITATIONS, key)
        await session.execute(_DELETE, key)
        await _recorded(session, organization_id, "role.deleted", actor, {"role": role.name})

    async def _free_name(
        self, session: AnySession, organization_id: UUID, name: str, *, but: UUID | None = None
    ) -> str:
        # no race: the organization is locked
        name = checked_name(name)
        keys = skeletons(name)
        if any(bare_skeletons(name) & bare_skeletons(system) for system in ROLES):
            raise InvalidValueError("name", "must not be, or look like, the name of a system role", code="taken")
        for role in await self.list(session, organization_id):
            if role.id != but and keys & skeletons(role.name):
                raise ConflictError(f"There is a role whose name looks the same: {role.name}.", field="name")
        return name

    async def _own(self, session: AnySession, organization_id: UUID, role_id: UUID) -> RoleView:
        role = await role_by_id(session, organization_id, role_id)
        if role.system:
            raise ConflictError("A system role cannot be changed: create a role of your own.")
        return role


def _view(row: Any) -> RoleView:
    return RoleView(row.id, row.name, row.description, row.system, tuple(row.permissions))


def _names(organization_id: UUID) -> dict[str, Any]:
    return {"organization_id": organization_id, "names": list(ASSIGNABLE)}


def _checked(permissions: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(permissions)
    unknown = wanted - ORGANIZATION_PERMISSIONS
    if unknown:
        raise InvalidValueError(
            "permissions",
            f"cannot hold {', '.join(sorted(unknown))}; can hold {', '.join(sorted(ORGANIZATION_PERMISSIONS))}",
            code="unknown_value",
        )
    return wanted


async def _recorded(
    session: AnySession, organization_id: UUID, kind: str, actor: Actor, detail: dict[str, Any]
) -> None:
    await record_event(
        session, kind, organization_id=organization_id, actor=actor.name, client=actor.client, detail=detail
    )
