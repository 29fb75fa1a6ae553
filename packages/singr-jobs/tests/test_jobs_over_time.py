"""R21: a database that hangs costs no attempt; a handler that runs over its time limits on its own pays for it."""

import asyncio
from collections import defaultdict
from uuid import UUID

import msgspec
import psycopg
import pytest
from jobs_support import ORGANIZATION, until
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from singr_db import Database
from singr_jobs import Exponential, JobContext, Jobs, enqueue
from singr_jobs.testing import InMemoryJobs

QUICK = Exponential(0.02, longest=0.05)
jobs = Jobs()
ran: dict[UUID, list[int]] = defaultdict(list)
opened: list[Database] = []
HELD = "SELECT 1 FROM job_gates WHERE name = 'of-this-test' FOR UPDATE"
WORDS = {
    "statement": "a statement took longer than statement_timeout allows (SQLSTATE 57014)",
    "idle": "the session lay idle in a transaction for longer than idle_in_transaction_session_timeout allows"
    " (SQLSTATE 25P03)",
}


class Overrun(msgspec.Struct, frozen=True, tag="test.overrun"):
    """Runs over a time limit of the server's in this way: a word for each call, the last one for all that follow."""

    ways: tuple[str, ...]


class HeldUp(msgspec.Struct, frozen=True, tag="test.held_up"):
    """What others hold up three times."""


async def run_over(way: str, context: JobContext) -> None:
    async with opened[-1].tenant(context.organization_id) as session:
        if way == "statement":
            await session.execute(text("SET LOCAL statement_timeout = '20ms'"))
            await session.execute(text("SELECT pg_sleep(5)"))
        if way == "idle":
            await session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '20ms'"))
            await asyncio.sleep(0.2)
            await session.execute(text("SELECT 1"))


@jobs.handler(Overrun, attempts=2, backoff=Exponential(0.02))
async def overrun(job: Overrun, context: JobContext) -> None:
    calls = ran[context.job_id]
    calls.append(context.attempt)
    way = job.ways[min(len(calls), len(job.ways)) - 1]
    if way == "disk":
        raise psycopg.errors.DiskFull("no space left")
    if way == "fault":
        raise ValueError("a fault")
    await run_over(way, context)


@pytest.fixture(autouse=True)
def _db(db: Database):
    opened.append(db)
    yield
    opened.remove(db)


async def put(db: Database, *ways: str, **options: int) -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        return await enqueue(session, Overrun(ways), organization_id=ORGANIZATION, **options)


@pytest.mark.parametrize("way", WORDS)
async def test_handler_that_runs_over_a_time_limit_each_time_fails_with_its_last_attempt(
    db, waker, working, reaches, way
):
    job_id = await put(db, way)
    async with working(jobs=jobs, outage_pause=QUICK):
        job = await reaches(job_id, "failed")
    assert ran[job_id] == [1, 1, 2], "the first one costs no attempt, and each that follows does"
    assert (job.error.code, job.error.message) == ("database_time_limit", WORDS[way])
    assert [attempt.error.code for attempt in job.attempts] == ["database_time_limit"] * 2


@pytest.mark.parametrize("way", WORDS)
async def test_database_that_hung_once_costs_no_attempt(db, waker, working, reaches, way):
    job_id = await put(db, way, "ok")
    async with working(jobs=jobs, outage_pause=QUICK):
        job = await reaches(job_id, "completed")
    assert (job.attempt, job.attempts, ran[job_id]) == (1, [], [1, 1])


async def test_time_limit_after_an_attempt_that_ended_otherwise_is_the_first_again(db, waker, working, reaches):
    job_id = await put(db, "statement", "disk", "statement", "statement", "fault", "statement", "statement", "ok")
    async with working(jobs=jobs, outage_pause=QUICK):
        job = await reaches(job_id, "failed")
    assert ran[job_id] == [1, 1, 1, 1, 2]
    assert [attempt.error.code for attempt in job.attempts] == ["database_time_limit", "ValueError"]


async def test_job_that_waits_after_a_time_limit_says_which(db, waker, working, reaches, read):
    job_id = await put(db, "statement")
    async with working(jobs=jobs, outage_pause=Exponential(60.0)):

        async def waits() -> bool:
            return (await read(job_id)).error is not None

        await until(waits)
        job = await read(job_id)
    assert (job.error.code, job.error.message, job.attempts) == ("outage", WORDS["statement"], [])


@pytest.mark.parametrize("way", ["a row is locked", "somebody cancelled it"])
async def test_statement_that_others_hold_up_costs_no_attempt_however_often(db, waker, working, reaches, way):
    """A row that somebody has locked, and an operator's pg_cancel_backend, are none of the handler's doing."""
    others, calls = Jobs(), 0

    @others.handler(HeldUp, attempts=1)
    async def held_up(_job: HeldUp, _context: JobContext) -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            return
        async with db.platform() as holder, db.platform() as session:
            pid = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            if way == "a row is locked":
                await holder.execute(text(HELD))
                await session.execute(text("SET LOCAL statement_timeout = '50ms'"))
                await session.execute(text(HELD))
            sleeping = asyncio.create_task(session.execute(text("SELECT pg_sleep(5)")))
            await asyncio.sleep(0.05)
            await holder.execute(text("SELECT pg_cancel_backend(:pid)"), {"pid": pid})
            await sleeping

    async with db.psycopg.connection() as connection:
        await connection.execute("INSERT INTO job_gates (name) VALUES ('of-this-test') ON CONFLICT DO NOTHING")
    async with db.tenant(ORGANIZATION) as session:
        job_id = await enqueue(session, HeldUp(), organization_id=ORGANIZATION)
    async with working(jobs=others, outage_pause=QUICK):
        job = await reaches(job_id, "completed")
    assert (calls, job.attempt, job.attempts) == (4, 1, [])


async def test_time_limit_is_known_where_the_lost_connection_hides_it():
    """The server closes the connection a moment after its word: a rollback between the two meets a lost one."""
    lost = Jobs()

    @lost.handler(HeldUp, attempts=1)
    async def lose(_job: HeldUp, _context: JobContext) -> None:
        try:
            raise psycopg.errors.IdleInTransactionSessionTimeout("terminating connection")
        finally:
            error = psycopg.OperationalError("the connection is lost")
            raise OperationalError("ROLLBACK", {}, error) from error

    memory = InMemoryJobs(lost, resources={})
    await enqueue(memory, HeldUp(), organization_id=ORGANIZATION)
    for _ in range(2):
        [job] = await memory.run_due()
        memory.advance(60)
    assert (job.status, job.error.code, job.error.message) == ("failed", "database_time_limit", WORDS["idle"])


async def test_time_limits_count_in_memory_as_they_do_at_a_worker(db):
    memory = InMemoryJobs(jobs, resources={})
    job_id = await enqueue(memory, Overrun(("statement",)), organization_id=ORGANIZATION)
    for _ in range(5):
        await memory.run_due()
        memory.advance(60)
    assert ran[job_id] == [1, 1, 2]
