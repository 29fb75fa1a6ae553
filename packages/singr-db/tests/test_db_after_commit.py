"""What hangs on a session's commit happens when that is committed, and never otherwise."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import Database, after_commit


@pytest.fixture
def said() -> list[str]:
    return []


async def test_a_call_is_made_once_the_transaction_has_committed(database: Database, said: list[str]) -> None:
    async with database.platform() as session:
        after_commit(session, said.append, "a")
        after_commit(session, said.append, "b")
        await session.execute(text("SELECT 1"))
        assert said == []
    assert said == ["a", "b"]


async def test_a_rollback_leaves_nothing_to_say(database: Database, said: list[str]) -> None:
    async with database.platform() as session:
        after_commit(session, said.append, "a")
        await session.execute(text("SELECT 1"))
        await session.rollback()
    assert said == []


async def test_a_commit_that_fails_leaves_nothing_to_say(database: Database, said: list[str]) -> None:
    async def store_twice() -> None:
        async with database.platform() as session:
            after_commit(session, said.append, "a")
            await session.execute(text(f"CREATE TEMP TABLE twice (id int {deferred}) ON COMMIT DROP"))
            await session.execute(text("INSERT INTO twice VALUES (1), (1)"))

    deferred = "UNIQUE DEFERRABLE INITIALLY DEFERRED"
    with pytest.raises(IntegrityError):
        await store_twice()
    assert said == []


async def test_a_released_savepoint_says_nothing_before_the_commit(database: Database, said: list[str]) -> None:
    async with database.platform() as session:
        after_commit(session, said.append, "outside")
        async with session.begin_nested():
            after_commit(session, said.append, "within")
        assert said == []
    assert said == ["outside", "within"]


async def test_a_savepoint_that_is_rolled_back_takes_its_calls_along_and_no_others(
    database: Database, said: list[str]
) -> None:
    async with database.platform() as session:
        after_commit(session, said.append, "outside")
        savepoint = await session.begin_nested()
        after_commit(session, said.append, "within")
        await savepoint.rollback()
    assert said == ["outside"]


async def test_a_savepoint_takes_along_what_was_released_within_it(database: Database, said: list[str]) -> None:
    async with database.platform() as session:
        savepoint = await session.begin_nested()
        async with session.begin_nested():
            after_commit(session, said.append, "deep within")
        await savepoint.rollback()
    assert said == []


async def test_what_is_asked_for_outside_too_outlives_the_savepoint(database: Database, said: list[str]) -> None:
    async with database.platform() as session:
        for word in ("a", "b"):
            if word == "a":
                after_commit(session, said.append, "a")
            savepoint = await session.begin_nested()
            after_commit(session, said.append, word)
            async with session.begin_nested():
                after_commit(session, said.append, word)
            await savepoint.rollback()
        after_commit(session, said.append, "b")
    assert said == ["a", "b"]


async def test_the_same_call_with_the_same_arguments_is_made_once(database: Database, said: list[str]) -> None:
    async with database.platform() as session:
        for word in ("a", "b", "a"):
            after_commit(session, said.append, word)
    assert said == ["a", "b"]


async def test_a_call_that_fails_harms_neither_the_commit_nor_the_others(database: Database, said: list[str]) -> None:
    async with database.platform() as session:
        after_commit(session, int, "no number")
        after_commit(session, said.append, "b")
    assert said == ["b"]


async def test_a_sessions_next_transaction_begins_with_nothing(database: Database, said: list[str]) -> None:
    async with AsyncSession(database.engine) as session:
        async with session.begin():
            after_commit(session, said.append, "first")
        async with session.begin():
            await session.execute(text("SELECT 1"))
    assert said == ["first"]


async def test_a_coroutine_function_is_refused_since_nobody_would_await_it(database: Database) -> None:
    async def later() -> None: ...

    async with database.platform() as session:
        with pytest.raises(TypeError, match="nobody would await"):
            after_commit(session, later)
