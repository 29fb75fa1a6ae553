"""A site that ends leaves no connection: neither one that is given back late, nor one on which it asked for itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import text

from singr_config import DatabaseSettings, Secret
from singr_db import CommitsHangError, Database

FOR_LONG = "SELECT pg_sleep(600)"


@pytest.fixture
async def ending(database_url: str) -> AsyncIterator[Database]:
    """One that a test closes."""
    settings = DatabaseSettings(url=Secret(database_url), pool_size=2)
    database = Database(settings, application_name="singr-db-tests", patience=0.1)
    before = asyncio.all_tasks()
    await database.open()
    yield database
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}, "work goes on"


async def driver_of(session: Any) -> Any:
    return (await (await session.connection()).get_raw_connection()).driver_connection


async def test_connection_that_a_session_gives_back_after_the_end_is_closed(ending: Database) -> None:
    async with ending.platform() as session:
        driver = await driver_of(session)
        await ending.close()
        assert (await session.execute(text("SELECT 1"))).scalar() == 1
    assert driver.closed


async def test_connection_of_a_session_that_began_after_the_end_is_closed(ending: Database) -> None:
    await ending.close()
    async with ending.platform() as session:
        driver = await driver_of(session)
    assert driver.closed


async def test_connection_of_the_pool_that_is_given_back_after_the_end_is_closed(ending: Database) -> None:
    async with ending.psycopg.connection() as connection:
        await ending.close()
    assert connection.closed


async def test_whoever_asks_for_a_sign_of_life_at_the_end_leaves_nothing(
    ending: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singr_db.sessions._signs_of_life._ASK", FOR_LONG)
    life = ending._life
    assert life is not None
    life.answers_within = 60.0
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        stack.enter_context(life.waiting())
        while not life._asked:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        [connection] = life._asked.values()
        await ending.close()
    assert connection.closed


async def test_a_commit_that_is_tried_at_the_end_leaves_nothing(
    ending: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singr_db.sessions._commits.LEAVE_A_WORD", FOR_LONG)
    monkeypatch.setattr("singr_db.sessions._commits._PATIENCE_S", 0.1)
    async with asyncio.timeout(60):
        while ending._commits._asked is None:
            with pytest.raises(CommitsHangError):
                await ending.takes_writes()
        connection = ending._commits._asked
        await ending.close()
    assert connection.closed
