"""Two who settle one job's matter at once: the first has it, the second is told so, and nobody waits crosswise."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from jobs_support import ORGANIZATION, lies
from sqlalchemy import text
from test_jobs_bulk import ask, told
from test_jobs_dead_letters import dead, run

from singr_db import Database
from singr_jobs import DeadLetterSettledError, discard, requeue, retry_job
from singr_jobs.chores._act_in_bulk import ActInBulk

_WAITS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def while_it_is_retried(db: Database, job_id: Any, other: Awaitable[Any]) -> asyncio.Future[Any]:
    """Try a job again, in a transaction that somebody else's wait falls into."""
    async with db.platform() as session:
        await session.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        task = asyncio.ensure_future(other)
        while not task.done() and not await run(db, _WAITS):  # noqa: ASYNC110 - what it waits for is in PostgreSQL
            await asyncio.sleep(0.01)
        await retry_job(session, job_id, organization_id=ORGANIZATION)
    return task


async def test_who_requeues_what_is_being_retried_is_refused(db: Database) -> None:
    job_id, letter_id = await dead(db)

    async def settle() -> None:
        async with db.platform() as session:
            await requeue(session, letter_id)

    task = await while_it_is_retried(db, job_id, settle())
    with pytest.raises(DeadLetterSettledError):
        await task


async def test_who_discards_what_is_being_retried_is_refused(db: Database) -> None:
    job_id, letter_id = await dead(db)

    async def settle() -> None:
        async with db.platform() as session:
            await discard(session, letter_id)

    task = await while_it_is_retried(db, job_id, settle())
    with pytest.raises(DeadLetterSettledError):
        await task


async def test_who_requeues_what_runs_again_waits_for_nobody_who_ends_it(db: Database) -> None:
    job_id, letter_id = await dead(db)
    async with db.platform() as session:
        await requeue(session, letter_id)
    async with db.platform() as ending, db.platform() as session:
        await ending.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        await session.execute(text("SET LOCAL lock_timeout = '1s'"))
        with pytest.raises(DeadLetterSettledError):
            await requeue(session, letter_id)


async def test_a_bulk_action_that_a_deadlock_undid_is_done_at_once_all_the_same(db: Database) -> None:
    job_id, _ = await dead(db)
    action = await ask(db)
    await run(
        db,
        """
        CREATE SEQUENCE tries;
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('tries') = 1 THEN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END IF; RETURN NULL; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON dead_letters FOR EACH STATEMENT EXECUTE FUNCTION refuse()
        """,
    )
    try:
        await ActInBulk(db).work()
    finally:
        await run(db, "DROP FUNCTION refuse CASCADE; DROP SEQUENCE tries")
    after = await told(db, action)
    assert (after.state, after.done) == ("done", 1)
    assert await lies(db, job_id) == "ready"


async def test_a_bulk_action_leaves_what_is_being_retried(db: Database) -> None:
    job_id, _ = await dead(db)
    action = await ask(db)
    await (await while_it_is_retried(db, job_id, ActInBulk(db).work()))
    after = await told(db, action)
    assert (after.state, after.done) == ("done", 0)
