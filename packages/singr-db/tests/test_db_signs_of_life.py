"""A server that is frozen lets nobody wait for ever, and one that only takes its time is waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text

from singr_config import DatabaseSettings, Secret
from singr_db import Database, is_outage
from singr_dev.fault_proxy import FaultProxy


@pytest.fixture
def proxy(faulty: Any, database_url: str) -> FaultProxy:
    made: FaultProxy = faulty(database_url)
    return made


@pytest.fixture
async def impatient(proxy: FaultProxy) -> AsyncIterator[Database]:
    settings = DatabaseSettings(url=Secret(proxy.url), pool_size=2)
    async with Database(settings, application_name="singr-db-tests", patience=0.2) as database:
        answers(database, within=30.0)
        yield database
        proxy.restore()
        proxy.cut()


def answers(database: Database, *, within: float) -> None:
    """On a busy machine a server that lives takes longer than one that is frozen is waited for."""
    assert database._life is not None
    database._life.answers_within = within


def freeze(proxy: FaultProxy, database: Database) -> None:
    answers(database, within=0.2)
    proxy.drop(1.0)


async def by_session(database: Database, statement: str = "SELECT 1") -> Any:
    async with database.platform() as session:
        return await session.scalar(text(statement))


async def by_pool(database: Database, statement: str = "SELECT 1") -> Any:
    async with database.psycopg.connection() as connection:
        row: Any = await (await connection.execute(statement)).fetchone()
        return row[0]


@pytest.mark.parametrize("ask", [by_session, by_pool])
async def test_whoever_waits_for_a_frozen_server_is_told_that_it_is_away(
    proxy: FaultProxy, impatient: Database, ask: Any
) -> None:
    """Also on a connection that was idle, which is looked at before it is lent."""
    assert await ask(impatient) == 1
    freeze(proxy, impatient)
    async with asyncio.timeout(60):
        with pytest.raises(Exception) as away:  # noqa: PT011 - of psycopg or of SQLAlchemy
            await ask(impatient)
    assert is_outage(away.value)
    proxy.restore()
    answers(impatient, within=30.0)
    with suppress(Exception):  # what the pool made meanwhile is silent, too
        await ask(impatient)
    async with asyncio.timeout(60):
        assert await ask(impatient) == 1


async def test_transaction_in_which_the_server_froze_ends(proxy: FaultProxy, impatient: Database) -> None:
    async def freezing() -> None:
        async with impatient.platform() as session:
            await session.execute(text("SELECT 1"))
            freeze(proxy, impatient)
            await session.execute(text("SELECT 2"))

    async with asyncio.timeout(60):
        with pytest.raises(Exception) as away:  # noqa: PT011 - of SQLAlchemy
            await freezing()
    assert is_outage(away.value)


@pytest.mark.parametrize("ask", [by_session, by_pool])
async def test_statement_that_waits_for_a_lock_is_not_given_up_while_the_server_lives(
    proxy: FaultProxy, impatient: Database, db: Database, ask: Any
) -> None:
    async with db.psycopg.connection() as holder, holder.transaction():
        await holder.execute("SELECT pg_advisory_xact_lock(4711)")
        waiting = asyncio.create_task(ask(impatient, "SELECT 1 FROM pg_advisory_xact_lock(4711)"))
        async with asyncio.timeout(60):
            while proxy.connections < 4 and not waiting.done():  # noqa: ASYNC110 - its own, and three that asked
                await asyncio.sleep(0.01)
    assert await waiting == 1
