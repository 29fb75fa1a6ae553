"""The fence stands in every transaction of a tenant's session, and no session leaves a role behind."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import InvalidRequestError

from singr_db import Database
from singr_db.tables import Base, Job


async def test_session_leaves_no_role_or_organization_behind(database: Database, organizations: tuple[UUID, UUID]):
    for _ in range(10):  # more than the pool is large, so that connections are used again
        async with database.tenant(organizations[0]) as session:
            assert await session.scalar(text("SELECT current_user")) == "singr_tenant"
        async with database.platform() as session:
            user, setting = (
                await session.execute(
                    text("SELECT current_user = session_user, current_setting('singr.organization_id', true)")
                )
            ).one()
            assert user
            assert not setting


async def test_cancelled_session_leaves_no_role_behind(database: Database, organizations: tuple[UUID, UUID]):
    async def linger() -> None:
        async with database.tenant(organizations[0]) as session:
            await session.execute(text("SELECT pg_sleep(30)"))

    tasks = [asyncio.create_task(linger()) for _ in range(5)]
    async with asyncio.timeout(20):
        while True:
            async with database.psycopg.connection() as connection:
                cursor = await connection.execute(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE query = 'SELECT pg_sleep(30)' AND datname = current_database() AND state = 'active'"
                )
                if await cursor.fetchone() == (5,):
                    break
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(10):
            async with database.platform() as session:
                assert await session.scalar(text("SELECT current_user = session_user"))


async def test_work_after_a_commit_inside_is_refused(database: Database, organizations: tuple[UUID, UUID]):
    async with database.tenant(organizations[0]) as session:
        await session.commit()
        with pytest.raises(InvalidRequestError):
            await session.execute(select(Job))


async def test_every_transaction_of_a_tenant_session_is_fenced(
    database: Database, organizations: tuple[UUID, UUID], fill: Callable[[type[Base]], Any]
):
    ours, _ = organizations
    await fill(Job)
    async with database._tenant(info={"organization_id": ours}) as session:
        for _ in range(2):
            assert set(await session.scalars(select(Job.organization_id))) == {ours}
            await session.commit()


async def test_rolled_back_savepoint_keeps_the_fence(
    database: Database, organizations: tuple[UUID, UUID], fill: Callable[[type[Base]], Any]
):
    ours, _ = organizations
    await fill(Job)
    async with database.tenant(ours) as session:
        savepoint = await session.begin_nested()
        assert set(await session.scalars(select(Job.organization_id))) == {ours}
        await savepoint.rollback()
        assert set(await session.scalars(select(Job.organization_id))) == {ours}


async def test_tenant_session_without_an_organization_is_refused(database: Database):
    with pytest.raises(TypeError, match="UUID"):
        await database.tenant(None).__aenter__()  # type: ignore[arg-type] # what is under test


async def test_tenant_session_knows_its_organization(database: Database, organizations: tuple[UUID, UUID]):
    async with database.tenant(organizations[0]) as session:
        assert session.organization_id == organizations[0]


async def test_sql_that_sets_out_to_leave_the_fence_is_out_of_scope_and_ends_with_the_transaction(
    database: Database, organizations: tuple[UUID, UUID], fill: Callable[[type[Base]], Any]
):
    """The documented limit: the login user may take its own role back. The next transaction is fenced again."""
    ours, theirs = organizations
    await fill(Job)
    async with database._tenant(info={"organization_id": ours}) as session:
        await session.execute(text("RESET ROLE"))
        assert theirs in set(await session.scalars(select(Job.organization_id)))
        await session.commit()
        assert set(await session.scalars(select(Job.organization_id))) == {ours}
