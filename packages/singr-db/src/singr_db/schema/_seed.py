"""The rows that every installation has: permissions and system roles; and a demo organization on request."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from singr_config.constants import PERMISSIONS, ROLE_PERMISSIONS, ROLES
from singr_db._ids import PLATFORM_ORGANIZATION_ID, new_id
from singr_db.sessions._database import Database, PlatformSession
from singr_db.tables import AccessChange, Organization, Permission, Role, RolePermission

DEMO_ORGANIZATION_ID = UUID("01920000-0000-7000-8000-000000000001")


async def seed(db: Database, *, demo: bool = False) -> None:
    """Bring permissions and system roles to what `singr_config.constants` says, in one transaction.

    May be run at any time and by several processes: what is there is kept or updated, and permissions that a system
    role should no longer have are taken from it. The platform's own organization is put back where it is missing.
    `demo` adds the organization "Demo Karaoke" with a fixed id.
    """
    async with db.platform() as session:
        await _upsert_permissions(session)
        await _grant(session, await _upsert_roles(session))
        organizations = [(PLATFORM_ORGANIZATION_ID, "Singr", "singr")]
        if demo:
            organizations.append((DEMO_ORGANIZATION_ID, "Demo Karaoke", "demo-karaoke"))
        for id_, name, slug in organizations:
            await session.execute(insert(Organization).values(id=id_, name=name, slug=slug).on_conflict_do_nothing())


async def _upsert_permissions(session: PlatformSession) -> None:
    # In one order everywhere, so that two seeders cannot wait for each other.
    rows = [{"name": name, "description": PERMISSIONS[name]} for name in sorted(PERMISSIONS)]
    statement = insert(Permission).values(rows)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[Permission.name], set_={"description": statement.excluded.description}
        )
    )


async def _upsert_roles(session: PlatformSession) -> dict[str, UUID]:
    rows: list[dict[str, Any]] = [
        {"id": new_id(), "organization_id": None, "name": name, "description": ROLES[name], "is_system": True}
        for name in sorted(ROLES)
    ]
    statement = insert(Role).values(rows)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[Role.organization_id, Role.name],
            set_={"description": statement.excluded.description, "is_system": True},
        )
    )
    found = await session.execute(select(Role.name, Role.id).where(Role.is_system))
    return {name: role_id for name, role_id in found if name in ROLES}


async def _grant(session: PlatformSession, roles: dict[str, UUID]) -> None:
    wanted = [(roles[role], permission) for role in sorted(roles) for permission in sorted(ROLE_PERMISSIONS[role])]
    taken = await session.scalars(
        delete(RolePermission)
        .where(
            RolePermission.role_id.in_(roles.values()),
            tuple_(RolePermission.role_id, RolePermission.permission).not_in(wanted),
        )
        .returning(RolePermission.permission)
    )
    if taken.all():  # what processes remember of people's permissions is to be read again
        await session.execute(insert(AccessChange).values(kind="user", subject=None))
    await session.execute(
        insert(RolePermission)
        .values([{"role_id": role_id, "permission": permission} for role_id, permission in wanted])
        .on_conflict_do_nothing()
    )
