"""What the sweeper leaves alone: jobs whose worker lives, and could not say so."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from jobs_support import ORGANIZATION, Steer, lies, put, take_by_hand, until
from psycopg import AsyncConnection
from psycopg.errors import ReadOnlySqlTransaction

from singr_db import Database
from singr_dev.clock import VirtualClock
from singr_jobs import JobObserver, JobTelemetry, Queue, QueueOptions, Waker, WorkerOptions, enqueue
from singr_jobs.maintenance._auditor import Auditor
from singr_jobs.maintenance._sweeper import Sweeper
from singr_jobs.running._observer import GuardedObserver
from singr_observability import build_metrics

LEASE = 2.0
# The outage outlasts most of a lease, and ends long before a sweeper that only waited would look again.
TURNS_AWAY = 15


class FailingOver:
    """A pool whose server takes no writes until somebody promotes it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.read_only = True

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        async with self._db.psycopg.connection() as connection:
            await connection.execute(f"SET default_transaction_read_only = {'on' if self.read_only else 'off'}")
            yield connection


class Impatient:
    """A pool whose statements are ended after a moment."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        async with self._db.psycopg.connection() as connection:
            await connection.execute("SET statement_timeout = '300ms'")
            yield connection
            await connection.execute("RESET statement_timeout")


class Stopped:
    """A pool of a process that may be stopped, right after the server has answered, for so many seconds."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.seconds = 0.0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        async with self._db.psycopg.connection() as connection:
            yield connection
        await asyncio.sleep(self.seconds)


class Promotion(JobObserver):
    """Ends the outage right after the sweeper met it for the last time."""

    def __init__(self, pool: FailingOver) -> None:
        self._pool = pool
        self.turns = 0
        self.at: datetime | None = None

    def swept(self, lag: float) -> None:
        self.turns += 1
        if self.turns == TURNS_AWAY:
            self._pool.read_only, self.at = False, datetime.now(UTC)


async def test_with_the_first_ticket_a_turn_looks_whether_it_could_be_renewed_and_before_that_at_nothing(
    db: Database, waker: Waker
) -> None:
    pool, observer = FailingOver(db), GuardedObserver(JobObserver())
    sweeper = Sweeper(pool, WorkerOptions(), leases_fail=lambda: False, waker=waker, observer=observer)  # type: ignore[arg-type]  # as much of a pool as it uses
    await sweeper.work()
    pool.read_only = False
    async with pool.connection():
        pass
    await take_by_hand(db, await put(db))
    pool.read_only = True
    with pytest.raises(ReadOnlySqlTransaction):
        await sweeper.work()
    pool.read_only = False
    async with pool.connection():
        pass


async def test_a_job_whose_worker_fell_silent_runs_again_once_its_lease_is_over(
    clock: VirtualClock, db, waker, working, reaches, read
):
    async with db.tenant(ORGANIZATION) as session:
        job_id = await enqueue(session, Steer("a"), organization_id=ORGANIZATION)
        other = await enqueue(session, Steer("b"), organization_id=ORGANIZATION)
    await take_by_hand(db, job_id)
    async with working(lease=30.0):
        await reaches(other, "completed")
        assert (await read(job_id)).status == "processing"
        clock.advance(hours=1)
        job = await reaches(job_id, "completed")
    assert (job.attempt, [attempt.outcome for attempt in job.attempts]) == (2, ["lost"])


async def test_after_an_outage_living_workers_have_a_whole_lease_to_say_so(db: Database, waker, reaches):
    async with db.tenant(ORGANIZATION) as session:
        job_id = await enqueue(session, Steer("a"), organization_id=ORGANIZATION)
    await take_by_hand(db, job_id, over_in=-60.0)
    pool = FailingOver(db)
    promotion = Promotion(pool)
    options = WorkerOptions(
        queues={Queue.DEFAULT: QueueOptions(concurrency=1)}, lease=LEASE, poll=LEASE / 3, sweep_every=0.1
    )
    sweeper = Sweeper(pool, options, leases_fail=lambda: False, waker=waker, observer=GuardedObserver(promotion))
    sweeping = asyncio.create_task(sweeper.run())

    async def lost() -> list[tuple[datetime]]:
        async with db.psycopg.connection() as connection:
            cursor = await connection.execute("SELECT finished_at FROM job_attempts WHERE job_id = %s", (job_id,))
            return await cursor.fetchall()

    async def is_lost() -> bool:
        return bool(await lost())

    try:
        await until(is_lost, what="it is taken at last")
    finally:
        sweeping.cancel()
    [(taken_at,)] = await lost()
    assert promotion.at is not None
    assert taken_at - promotion.at > timedelta(seconds=LEASE * 0.9)


async def test_a_sweep_that_had_to_wait_takes_nothing(db: Database, waker: Waker) -> None:
    """Renewals may have had to wait as well, whatever the clock said before."""
    pool, observer = Stopped(db), GuardedObserver(JobObserver())
    options = WorkerOptions(lease=LEASE, poll=LEASE / 3)
    sweeper = Sweeper(pool, options, leases_fail=lambda: False, waker=waker, observer=observer)
    await take_by_hand(db, job_id := await put(db), over_in=-60.0)
    pool.seconds = LEASE / 2
    assert await sweeper.sweep(math.inf) == 0
    assert await lies(db, job_id) == "working"
    pool.seconds = 0.0

    async def is_taken() -> bool:
        return await sweeper.sweep(math.inf) == 1

    await until(is_taken, what="a sweep that need not wait takes it")


async def test_a_sweeper_that_stays_patient_says_for_how_long_nothing_was_swept(db: Database, waker):
    """Its turns succeed; who watches the lag must see that nothing comes of them."""
    told: list[float] = []
    observer = JobObserver()
    observer.swept = told.append  # type: ignore[method-assign]  # all that is wanted of it
    fail = True
    options = WorkerOptions(lease=LEASE, poll=LEASE / 3)
    sweeper = Sweeper(db.psycopg, options, leases_fail=lambda: fail, waker=waker, observer=GuardedObserver(observer))
    await take_by_hand(db, await put(db))
    sweeper._swept_at -= 100.0
    await sweeper.work()
    sweeper.turned(0.0)
    fail, sweeper._not_before = False, 0.0
    await sweeper.work()
    sweeper.turned(0.0)
    assert told[0] > 90
    assert told[1] < 90


async def test_a_process_that_was_stopped_does_not_take_it_for_a_jump_of_the_clock(
    db: Database, waker, said: list[str]
):
    pool, observer = Stopped(db), GuardedObserver(JobObserver())
    options = WorkerOptions(lease=LEASE, poll=LEASE / 3)
    sweeper = Sweeper(pool, options, leases_fail=lambda: False, waker=waker, observer=observer)
    for pool.seconds in (0.0, LEASE / 2, 0.0):
        await sweeper.work()
    assert not [line for line in said if "jumped ahead" in line]


async def test_the_audit_leaves_the_start_of_a_worker_to_what_waits_and_comes_once_an_hour(
    db: Database, waker: Waker
) -> None:
    auditor = Auditor(db.psycopg, waker=waker, observer=GuardedObserver(JobObserver()))
    assert not auditor.at_once
    assert 30 <= auditor._pause() <= 90
    assert await auditor.work() == 0
    assert 1800 <= auditor._pause() <= 5400


async def test_a_job_that_lies_nowhere_is_found_counted_and_given_a_place(db: Database, waker, working, reaches):
    """And nothing else is: not what waits, what is delayed, or what somebody has in hand."""
    astray, waits, in_hand = [await put(db, name) for name in "abc"]
    later = await put(db, "d", run_at=datetime.now(UTC) + timedelta(hours=1))
    await take_by_hand(db, in_hand)
    async with db.psycopg.connection() as connection:
        await connection.execute("DELETE FROM job_ready WHERE id = %s", (astray,))
        await connection.execute("UPDATE jobs SET created_at = now() - interval '1 hour'")
    metrics = build_metrics()
    auditor = Auditor(db.psycopg, waker=waker, observer=GuardedObserver(JobTelemetry(metrics)))
    assert await auditor.work() == 1
    assert await auditor.work() == 0
    assert [await lies(db, one) for one in (astray, waits, in_hand, later)] == ["ready", "ready", "working", "later"]
    assert sum(one["value"] for one in metrics.render_json()["singr_jobs_astray"]["values"]) == 1
    async with working():
        await reaches(astray, "completed")


async def test_the_audit_takes_the_time_that_a_large_table_takes(db: Database, waker: Waker):
    auditor = Auditor(Impatient(db), waker=waker, observer=GuardedObserver(JobObserver()))
    async with db.psycopg.connection() as console, console.transaction():
        await console.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
        auditing = asyncio.create_task(auditor.work())
        await asyncio.sleep(0.8)
    assert await auditing == 0
