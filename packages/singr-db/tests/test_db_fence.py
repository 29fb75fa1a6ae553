"""One organization cannot reach another's rows, whatever filter is forgotten."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fence_support import PERSON, SOON, STAFF, parents_of, row_of
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from singr_db import Database, new_id, upgrade
from singr_db._partitions import existing_partitions
from singr_db.tables import (
    Base,
    Branding,
    BulkAction,
    DeadLetter,
    DeliveryHour,
    Job,
    JobKeyed,
    JobKeyHold,
    JobLater,
    JobLog,
    JobParked,
    JobReady,
    JobSlot,
    JobStart,
    JobWaiting,
    MessageEvent,
    Organization,
    OrganizationName,
    Permission,
    RequestMark,
    RequestNonce,
    Role,
    RolePermission,
    ScheduleFire,
    ServiceCredential,
    Subscription,
    TemplateOverride,
    User,
)

# They are only added to.
TRAILS = {"security_events", "operation_log"}
# A trigger keeps them.
NAMES = {"organization_names"}
# Every other table with an organization.
TENANT_TABLES = sorted(
    (
        mapper.class_
        for mapper in Base.registry.mappers
        if "organization_id" in mapper.local_table.columns and mapper.local_table.name not in TRAILS | NAMES
    ),
    key=lambda model: model.__tablename__,  # the same in every process of a parallel run
)
# Where jobs wait, and what their keys count: tenants take it away, and the jobs' own table and workers give it. When
# schedules fired, which jobs failed for good, handlers and providers said, how many messages came to what: workers
# write it.
PLACES = {JobReady, JobLater, JobWaiting, JobKeyed, JobParked, JobSlot, JobStart, JobKeyHold} | {
    ScheduleFire,
    DeadLetter,
    BulkAction,
    JobLog,
    MessageEvent,
    DeliveryHour,
    Subscription,
}
# Versions, none of which ever changes.
VERSIONS = {Branding, TemplateOverride}


@pytest.fixture
async def organizations(
    organizations: tuple[UUID, UUID], database: Database, request: pytest.FixtureRequest
) -> tuple[UUID, UUID]:
    called = getattr(request.node, "callspec", None)
    model = called.params.get("model") if called else None
    async with database.platform() as session:
        session.add(Role(id=STAFF, name="customer_staff", is_system=True))
        session.add(User(id=PERSON, account_type="customer", name="Jo", email="jo@x.org", email_key="jo@x.org"))
        for parent, row in [one for ours in organizations if model for one in parents_of(model, ours)]:
            await session.execute(insert(parent).values(row))
    return organizations


async def count(database: Database, model: Any, organization_id: UUID) -> int:
    async with database.platform() as session:
        statement = select(func.count()).select_from(model).where(model.organization_id == organization_id)
        return await session.scalar(statement) or 0


async def refused(database: Database, organization_id: UUID, statement: Any) -> None:
    """A statement that a tenant may not make, and that its grants or row-level security refuse."""
    with pytest.raises(DBAPIError) as caught:
        async with database.tenant(organization_id) as session:
            await session.execute(statement)
    assert isinstance(caught.value.orig, InsufficientPrivilege), str(statement)


async def reads(model: Any, database: Database, ours: UUID) -> None:
    """Without a filter, its own rows; without an organization, none, and it writes none either."""
    async with database.tenant(ours) as session:
        owners = set((await session.scalars(select(model.organization_id))).all())
    assert owners - {None} == {ours}  # None: system roles, which all may read
    async with database.platform() as session:
        await session.execute(text("SET LOCAL ROLE singr_tenant"))
        assert (await session.execute(select(model))).all() == []
        with pytest.raises(DBAPIError) as caught:
            await session.execute(insert(model).values(row_of(model, ours)))
    assert isinstance(caught.value.orig, InsufficientPrivilege)


async def changes(model: Any, database: Database, ours: UUID, theirs: UUID) -> None:
    """Without a filter, its own row, which it cannot give to another; of versions, none."""
    if model in VERSIONS:
        await refused(database, ours, update(model).values(created_at=func.now()))
    elif model not in PLACES:
        async with database.tenant(ours) as session:
            changed = await session.execute(update(model).values(organization_id=ours))
        assert changed.rowcount == 1
    await refused(database, ours, update(model).values(organization_id=theirs))


async def deletes(model: Any, database: Database, ours: UUID, theirs: UUID) -> None:
    """Without a filter, its own row."""
    async with database.tenant(ours) as session:
        await session.execute(delete(model))
    assert await count(database, model, ours) == 0
    assert await count(database, model, theirs) == 1


async def writes(model: Any, database: Database, ours: UUID) -> None:
    """A row of its own."""
    if model not in PLACES:
        async with database.tenant(ours) as session:
            await session.execute(insert(model).values(row_of(model, ours)))
        assert await count(database, model, ours) == 1


@pytest.mark.parametrize("model", TENANT_TABLES, ids=lambda model: model.__tablename__)
async def test_tenant_reaches_its_own_rows_only(
    model: Any, database: Database, organizations: tuple[UUID, UUID], fill: Callable[[type[Base]], Any]
):
    """All that it may try of one table, in one database: to fill one for each try cost most of this file."""
    ours, theirs = organizations
    await fill(model)
    await reads(model, database, ours)
    await refused(database, ours, insert(model).values(row_of(model, theirs)))
    assert await count(database, model, theirs) == 1
    await changes(model, database, ours, theirs)
    await deletes(model, database, ours, theirs)
    await writes(model, database, ours)


async def test_upsert_cannot_take_over_a_row_of_another(database: Database, organizations: tuple[UUID, UUID]):
    ours, theirs = organizations
    row = row_of(ServiceCredential, theirs)
    async with database.platform() as session:
        await session.execute(insert(ServiceCredential).values(row))
    with pytest.raises(DBAPIError) as caught:
        async with database.tenant(ours) as session:
            await session.execute(
                text(
                    "INSERT INTO service_credentials (id, organization_id, key_id, name, kind, secret_sealed)"
                    " VALUES (:id, :organization_id, :key_id, 'mine', 'signing', 's')"
                    " ON CONFLICT (key_id) DO UPDATE SET organization_id = excluded.organization_id"
                ),
                {"id": new_id(), "organization_id": ours, "key_id": row["key_id"]},
            )
    assert isinstance(caught.value.orig, InsufficientPrivilege)


async def test_tenant_cannot_make_or_see_platform_credentials(database: Database, organizations: tuple[UUID, UUID]):
    ours, _ = organizations
    async with database.platform() as session:
        row = {**row_of(ServiceCredential, ours), "organization_id": None}
        await session.execute(insert(ServiceCredential).values(row))
    async with database.tenant(ours) as session:
        assert (await session.scalars(select(ServiceCredential))).all() == []
        with pytest.raises(DBAPIError) as caught:
            await session.execute(
                insert(ServiceCredential).values({**row_of(ServiceCredential, ours), "organization_id": None})
            )
    assert isinstance(caught.value.orig, InsufficientPrivilege)


async def test_organization_sees_and_renames_itself_only(database: Database, organizations: tuple[UUID, UUID]):
    ours, theirs = organizations
    async with database.tenant(ours) as session:
        assert (await session.scalars(select(Organization.id))).all() == [ours]
        changed = await session.execute(update(Organization).values(name="Renamed"))
        assert changed.rowcount == 1
    async with database.platform() as session:
        assert await session.scalar(select(Organization.name).where(Organization.id == theirs)) == "Test"
    async with database.tenant(ours) as session:
        assert (await session.scalars(select(OrganizationName.name))).all() == ["Test", "Renamed"]
    for statement in (delete(OrganizationName), update(OrganizationName).values(name="Singr")):
        await refused(database, ours, statement)
    await refused(database, ours, insert(OrganizationName).values(organization_id=ours, name="x", starts_at=SOON))


FORBIDDEN = (
    "INSERT INTO organizations (id, name, slug) VALUES (gen_random_uuid(), 'x', gen_random_uuid()::text)",
    "DELETE FROM organizations",
    "UPDATE organizations SET id = gen_random_uuid()",
    "SELECT * FROM request_nonces",
    "SELECT * FROM request_marks",
    "INSERT INTO permissions (name) VALUES ('everything')",
    "INSERT INTO roles (id, name, is_system) VALUES (gen_random_uuid(), 'root', true)",
    "CREATE TABLE public.mine (id int)",
    "TRUNCATE jobs",
    "SELECT * FROM alembic_version",
)


async def test_tenant_may_not(database: Database, organizations: tuple[UUID, UUID]):
    for statement in FORBIDDEN:
        await refused(database, organizations[0], text(statement))


async def test_tenant_cannot_strengthen_system_roles_or_roles_of_another(
    database: Database, organizations: tuple[UUID, UUID]
):
    ours, theirs = organizations
    permission = f"test:{new_id()}"
    system, foreign, own = new_id(), new_id(), new_id()
    async with database.platform() as session:
        session.add(Permission(name=permission))
        session.add(Role(id=system, name=str(system), is_system=True))
        session.add_all(Role(id=id_, organization_id=o, name="r") for id_, o in ((foreign, theirs), (own, ours)))
        await session.flush()
        session.add_all(RolePermission(role_id=id_, permission=permission) for id_ in (system, foreign))
    for role_id in (system, foreign):
        with pytest.raises(DBAPIError) as caught:
            async with database.tenant(ours) as session:
                await session.execute(insert(RolePermission).values(role_id=role_id, permission=permission))
        assert isinstance(caught.value.orig, InsufficientPrivilege)
    async with database.tenant(ours) as session:
        await session.execute(insert(RolePermission).values(role_id=own, permission=permission))
        seen = await session.scalars(select(RolePermission.role_id).where(RolePermission.permission == permission))
        assert set(seen) == {own, system}
        removed = await session.execute(delete(RolePermission))
        assert removed.rowcount == 1
        assert (await session.execute(update(Role).where(Role.is_system).values(name="x"))).rowcount == 0
    async with database.platform() as session:
        await session.execute(delete(Role).where(Role.id == system))


ON_A_PARTITION = (
    "SELECT * FROM {}",
    "INSERT INTO {} DEFAULT VALUES",
    "UPDATE {} SET organization_id = organization_id",
    "DELETE FROM {}",
)


@pytest.mark.parametrize("parent", ["jobs", "messages", "job_attempts", "job_logs"])
async def test_partitions_are_reached_through_their_parent_only(
    parent: str, database: Database, organizations: tuple[UUID, UUID]
):
    async with database.engine.connect() as connection:
        partitions = await connection.run_sync(existing_partitions, parent)
    for name in (f"{parent}_default", *(partition.name for partition in partitions)):
        for statement in ON_A_PARTITION:
            await refused(database, organizations[0], text(statement.format(name)))


async def test_partition_stays_dark_even_with_a_careless_grant(
    database: Database, organizations: tuple[UUID, UUID], fill: Callable[[type[Base]], Any]
):
    await fill(Job)
    async with database.platform() as session:
        (name,) = set(await session.scalars(text("SELECT DISTINCT tableoid::regclass::text FROM jobs")))
        await session.execute(text(f"GRANT SELECT ON {name} TO singr_tenant"))
        await session.execute(text("SET LOCAL ROLE singr_tenant"))
        await session.execute(
            text("SELECT set_config('singr.organization_id', :id, true)"), {"id": str(organizations[0])}
        )
        assert (await session.execute(text(f"SELECT * FROM {name}"))).all() == []
        await session.rollback()


async def test_every_table_is_fenced_or_named_here(database: Database):
    async with database.platform() as session:
        unfenced = set(
            await session.scalars(
                text(
                    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                    " AND relkind IN ('r', 'p') AND NOT relrowsecurity"
                )
            )
        )
    assert unfenced == {"alembic_version", "permissions"}


async def test_no_function_may_be_called_by_whoever_has_a_login(database: Database):
    async with database.platform() as session:
        open_to_all = await session.scalars(
            text(
                "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
                " AND prorettype <> 'trigger'::regtype AND has_function_privilege('public', oid, 'EXECUTE')"
            )
        )
        assert open_to_all.all() == []


async def test_tenant_role_cannot_become_anyone_else(postgres_url: str, make_login: Callable[..., str]):
    """A login that is nothing but a tenant has no way out, unlike the owner that Singr signs in as."""
    login = make_login()
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        owner = admin.info.user
        admin.execute(f"GRANT singr_tenant TO {login}")
        admin.execute(f"SET SESSION AUTHORIZATION {login}")
        admin.execute("SET ROLE singr_tenant")
        with pytest.raises(InsufficientPrivilege):
            admin.execute(f"SET ROLE {owner}")


async def test_request_nonces_are_for_the_platform(database: Database):
    async with database.platform() as session:
        session.add(RequestNonce(key_id="env", nonce=str(new_id()), expires_at=SOON))
        session.add(RequestMark(mark=new_id(), expires_at=SOON))


def test_fence_stands_where_the_public_is_shut_out_of_the_schema(empty_url: str):
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        upgrade(empty_url)
        connection.execute("SET ROLE singr_tenant")
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
