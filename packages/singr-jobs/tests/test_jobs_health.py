"""Whether queues are well is told, in true words, also where the database keeps others waiting."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from jobs_support import jobs, put
from sqlalchemy import text

from singr_db import Database
from singr_jobs import Queue, QueueOptions
from singr_jobs.maintenance._presence import Presence
from singr_jobs.queues import QueueHealth, list_workers, queue_health, queues_health, set_queue
from singr_jobs.taking._claims import Claimant, Shares, take


async def health(db: Database, queue: str = "default", before: str = "SELECT 1") -> QueueHealth:
    async with db.platform() as session:
        await session.execute(text(before))
        return await queue_health(session, queue)


@asynccontextmanager
async def locked(db: Database, table: str) -> AsyncIterator[None]:
    """Somebody has the table for itself."""
    async with db.psycopg.connection() as connection, connection.transaction(force_rollback=True):
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def codes(told: QueueHealth) -> list[str]:
    return [problem.code for problem in told.problems]


async def test_a_database_that_takes_no_writes_is_not_well(db: Database) -> None:
    await put(db)  # which nobody serves: where nothing can be written, workers cannot say that they are there
    told = await health(db, before="SELECT set_config('default_transaction_read_only', 'on', true)")
    assert (told.healthy, codes(told)) == (False, ["database_read_only"])
    assert codes(await health(db)) == ["no_workers"]


@pytest.mark.parametrize("table", ["queue_settings", "job_gates", "job_ready", "workers"])
async def test_whoever_locks_a_table_is_named_in_place_of_what_cannot_be_seen(db: Database, table: str) -> None:
    async with locked(db, table), db.platform() as session:
        told = await queue_health(session, "sms")
        every = await queues_health(session)
        patience = await session.scalar(text("SELECT current_setting('lock_timeout')"))
    assert (told.queue, told.healthy, codes(told)) == ("sms", False, ["database_locked"])
    assert f"has locked {table} for " in told.problems[0].in_words
    assert {one.queue for one in every.queues} == {queue.value for queue in Queue.declared()}
    assert not every.healthy
    assert patience == "0", "the caller's transaction goes on as it was"
    assert (await health(db, "sms")).healthy


async def test_a_worker_that_was_killed_is_gone_once_it_has_missed_three_words(db: Database) -> None:
    await put(db)
    now = Presence(db.psycopg, name="one", queues=["default"], types=jobs.runnable, in_hand=dict)
    await now.work()
    assert (await health(db)).healthy
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE workers SET seen_at = now() - interval '8 seconds'")
        assert "'one', fell silent 8 s ago" in (await health(db)).problems[0].in_words
        await now.work()  # no more than that it is there still
        assert (await health(db)).healthy
        await connection.execute("DELETE FROM workers")
        await now.work()
        async with db.platform() as session:
            [worker] = await list_workers(session)
    assert (worker.types, worker.silent) == (tuple(sorted(jobs.runnable())), False)


async def test_a_worker_of_the_release_before_says_it_more_seldom(db: Database) -> None:
    async with db.psycopg.connection() as connection:
        await connection.execute(
            "INSERT INTO workers (name, host, version, queues, types, in_hand, seen_at)"
            " VALUES ('old', 'h', '0', ARRAY['default'], ARRAY['t'], '{}', now() - interval '34 seconds')"
        )
        async with db.platform() as session:
            assert not (await list_workers(session))[0].silent


async def test_locked_settings_hold_up_the_queues_alone_that_have_some(
    db: Database, working: Any, reaches: Any, pulse: Any
) -> None:
    async with db.platform() as session:
        await set_queue(session, Queue.SMS, concurrency=5)
    queues = {Queue.SMS: QueueOptions(concurrency=2), Queue.DEFAULT: QueueOptions(concurrency=2)}
    async with locked(db, "queue_settings"), working(queues=queues, poll=0.1):
        ruled = await put(db, "ruled", queue=Queue.SMS)
        for name in ("free", "again"):
            await reaches(await put(db, name), "completed")
        assert "ruled" not in pulse.ran
    async with working(queues=queues, poll=0.1):
        await reaches(ruled, "completed")


async def test_locked_settings_hold_up_no_queue_that_organizations_share(db: Database) -> None:
    await put(db)
    async with db.psycopg.connection() as connection:
        await connection.execute("INSERT INTO job_gates (name) VALUES ('default')")
    by_hand, start = Claimant("by-hand", 60.0, jobs.runnable()), UUID(int=0)
    often: Any = {"token": 1, "room": 4, "places": 4, "after": start, "organizations": 200}
    async with locked(db, "queue_settings"):
        taken = await take(db.psycopg, Queue.DEFAULT, by_hand, shares=Shares(others=2), **often)
    assert (len(taken.jobs), taken.ruled) == (1, False)
