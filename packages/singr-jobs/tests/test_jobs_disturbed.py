"""What others do with the tables of jobs, by hand, by a restore or in a slow transaction: it harms no other job."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from jobs_support import Pulse, lies, put, take_by_hand, until

from singr_db import Database, PsycopgPool
from singr_jobs import JobObserver, Queue, WorkerOptions
from singr_jobs.maintenance._auditor import Auditor
from singr_jobs.maintenance._sweeper import Sweeper
from singr_jobs.running import _line
from singr_jobs.running._leases import LeaseKeeper
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.taking import _held_gates
from singr_jobs.taking._held_gates import HeldGates

LEASE = 1.5
OTHERS = UUID("01920000-0000-7000-8000-0000000000bb")


async def run(db: Database, statement: str, *values: Any) -> None:
    async with db.psycopg.connection() as connection:
        await connection.execute(statement, values)


@asynccontextmanager
async def held(db: Database, statement: str, *values: Any) -> AsyncIterator[None]:
    """A transaction of somebody's that has done this, and does not end."""
    async with db.psycopg.connection() as connection, connection.transaction(force_rollback=True):
        await connection.execute(statement, values)
        yield


async def is_completed(db: Database, job_id: UUID) -> bool:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute("SELECT status = 'completed' FROM jobs WHERE id = %s", (job_id,))
        return (await cursor.fetchall())[0][0]


async def test_a_locked_row_costs_no_other_job_of_its_worker_an_attempt(db: Database, working, pulse: Pulse, reaches):
    """Its end waits for the lock; the leases of all tickets were renewed by one statement."""
    locked = await put(db, "locked", "wait")
    async with working(lease=LEASE):
        await until(lambda: pulse.running == 1, what="it runs")
        other = await put(db, "other", "progress")
        await until(lambda: pulse.running == 2, what="both run, each on its ticket")
        async with held(db, "SELECT FROM jobs WHERE id = %s FOR UPDATE", locked):
            pulse.gate.set()
            await asyncio.sleep(3 * LEASE)
        for job_id in (locked, other):
            assert (await reaches(job_id, "completed")).attempt == 1
    assert sorted(pulse.ran) == ["locked", "other"]


async def test_an_outcome_whose_job_is_locked_holds_up_no_other(db: Database, working, pulse: Pulse, reaches):
    locked, other = await put(db, "locked", "wait"), await put(db, "other", "wait")
    async with working():
        await until(lambda: pulse.running == 2, what="both run")
        async with held(db, "SELECT FROM jobs WHERE id = %s FOR UPDATE", locked):
            pulse.gate.set()
            await reaches(other, "completed")
        await reaches(locked, "completed")


async def test_rows_of_one_organization_that_are_locked_keep_no_places_from_another(
    db: Database, working, pulse: Pulse, reaches, monkeypatch
):
    monkeypatch.setattr(_line, "AHEAD_SECONDS", 0.0)  # as if they took their time
    locked = [await put(db, "locked") for _ in range(9)]
    async with working(concurrency=4):
        async with held(db, "SELECT FROM jobs WHERE id = ANY (%s) FOR UPDATE", locked):
            await until(lambda: len(pulse.ran) >= 8, what="twice as many have ended as there are places")
            other = await put(db, "other", organization_id=OTHERS)
            await until(lambda: "other" in pulse.ran, what="the other one begins")
            await until(lambda: is_completed(db, other), what="and has ended")
        for job_id in locked:
            assert (await reaches(job_id, "completed")).attempt == 1


@pytest.mark.parametrize("lock", ["SELECT FROM jobs WHERE id = %s FOR UPDATE", "LOCK TABLE jobs"])
async def test_progress_waits_for_nobodys_lock_and_fails_nothing(
    db: Database, working, pulse: Pulse, reaches, read, monkeypatch: pytest.MonkeyPatch, lock: str
):
    """Nor for one of its own handler, which replaced its job in a transaction that it has open."""
    monkeypatch.setattr("singr_jobs.running.attempts._contexts._PATIENCE_S", 0.1 if "TABLE" in lock else 60.0)
    job_id = await put(db, "a", "wait")
    async with working():
        await until(lambda: pulse.running == 1, what="it runs")
        [context] = pulse.contexts
        async with asyncio.timeout(20), held(db, lock, *([job_id] if "%s" in lock else [])):
            await context.progress(50)
        assert (await read(job_id)).progress == 0
        await context.progress(60)
        assert (await read(job_id)).progress == 60
        pulse.gate.set()
        assert (await reaches(job_id, "completed")).attempt == 1


async def test_leases_are_kept_over_the_pool_where_no_new_connection_is_to_be_had(
    db: Database, working, pulse: Pulse, reaches, monkeypatch: pytest.MonkeyPatch
):
    def full(_: PsycopgPool) -> None:
        raise psycopg.OperationalError("FATAL: sorry, too many clients already")

    monkeypatch.setattr(PsycopgPool, "connect", full)
    job_id = await put(db, "a", "wait")
    async with working(lease=LEASE):
        await until(lambda: pulse.running == 1, what="it runs")
        await asyncio.sleep(2 * LEASE)
        pulse.gate.set()
        assert (await reaches(job_id, "completed")).attempt == 1
    assert pulse.ran == ["a"]


async def test_a_process_whose_renewals_fail_takes_nothing_from_anybody(db: Database, waker):
    job_id = await put(db, "a")
    await take_by_hand(db, job_id, over_in=-1.0)
    fail = True
    observer = GuardedObserver(JobObserver())
    options = WorkerOptions(lease=3600.0)
    sweeper = Sweeper(db.psycopg, options, leases_fail=lambda: fail, waker=waker, observer=observer)
    await sweeper.work()
    fail = False
    await sweeper.work()
    assert await lies(db, job_id) == "working"


async def test_a_renewal_that_hangs_counts_as_one_that_fails(db: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("singr_jobs.running._leases._LOCK_TIMEOUT", "SET lock_timeout = 0")
    keeper = LeaseKeeper(db.psycopg, lease=0.3, in_hand=list, renewed=lambda *_: None)
    with keeper.taking([1]):
        async with held(db, "LOCK TABLE job_tickets"):
            keeping = asyncio.create_task(keeper.run())
            await until(lambda: keeper.failing, what="it is noticed that the renewal hangs")
        await until(lambda: not keeper.failing, what="it went through")
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_a_transaction_that_took_a_place_away_stops_no_queue(db: Database, waker, working, reaches):
    """As a cancellation does before it commits."""
    taken, other = await put(db, "a"), await put(db, "b", organization_id=OTHERS)
    async with held(db, "DELETE FROM job_ready WHERE id = %s", taken), working(concurrency=10):
        await until(lambda: has_ended(db, other), what="another organization's job ran")
        assert not await has_ended(db, taken)


async def has_ended(db: Database, job_id: UUID) -> bool:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute("SELECT finished_at IS NOT NULL FROM jobs WHERE id = %s", (job_id,))
        [(ended,)] = await cursor.fetchall()
    return bool(ended)


async def test_an_advisory_lock_of_anybodys_holds_no_queue_up(db: Database, waker, working, reaches):
    """Whoever may connect may take one."""
    job_id = await put(db, "a")
    async with held(db, "SELECT pg_advisory_xact_lock(hashtextextended('public.take.default', 0))"), working():
        await reaches(job_id, "completed")


COPY_TO_LATER = """
INSERT INTO job_later (run_at, id, queue, organization_id, priority, type)
SELECT run_at, id, queue, organization_id, priority, type FROM job_ready WHERE id = %s
"""


async def test_a_job_that_is_delayed_and_due_stops_nobody(db: Database, waker, working, reaches):
    """As after a restore of one table: it cannot become due a second time."""
    twice, other = await put(db, "a"), await put(db, "b")
    await run(db, "UPDATE job_ready SET queue = 'nobodys' WHERE id = %s", twice)
    await run(db, COPY_TO_LATER, twice)
    async with working():
        await reaches(other, "completed")


async def test_a_ticket_that_names_a_waiting_job_keeps_no_lost_job_from_its_return(
    db: Database, waker, working, reaches
):
    waits, lost = await put(db, "a", queue="email"), await put(db, "b")
    await take_by_hand(db, lost, token=2, over_in=-1.0)
    await run(
        db,
        "INSERT INTO job_tickets (token, queue, ids, state, leased_until, worker, started_at)"
        " VALUES (1, 'email', %s, 'travelling', now() - interval '1 hour', 'w', now())",
        [waits],
    )
    async with working():
        await reaches(lost, "completed")
    assert await lies(db, waits) == "ready"


async def test_the_audit_leaves_a_job_in_one_place(db: Database, waker, working):
    """Who has it in hand keeps it; what is due is not delayed as well."""
    in_hand, due, delayed = await put(db, "a"), await put(db, "b"), await put(db, "c", run_at=tomorrow())
    await run(db, COPY_TO_LATER, due)
    await run(
        db,
        "INSERT INTO job_tickets (token, queue, ids, state, leased_until, worker, started_at)"
        " VALUES (1, 'default', %s, 'working', now() + interval '1 hour', 'w', now())",
        [in_hand],
    )
    auditor = Auditor(db.psycopg, waker=waker, observer=GuardedObserver(JobObserver()))
    assert await auditor.work() == 2
    assert [await lies(db, one) for one in (in_hand, due, delayed)] == ["working", "ready", "later"]


async def test_the_audit_goes_on_until_every_job_has_a_place(db: Database, waker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("singr_jobs.maintenance._auditor._AT_ONCE", 2)
    ids = [await put(db, f"{number}") for number in range(5)]
    await run(db, "DELETE FROM job_ready")
    await run(db, "UPDATE jobs SET created_at = now() - interval '1 hour'")
    assert await Auditor(db.psycopg, waker=waker, observer=GuardedObserver(JobObserver())).work() == 5
    assert {await lies(db, one) for one in ids} == {"ready"}


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


async def test_whoever_holds_the_gate_of_a_queue_is_named(
    db: Database, waker, working, reaches, said: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_held_gates, "_LONG", 0.02)
    monkeypatch.setattr(_held_gates, "_PATIENT_AFTER", 0.0)
    await run(db, "INSERT INTO job_gates (name) VALUES ('default') ON CONFLICT DO NOTHING")
    async with working(), db.psycopg.connection() as console:
        async with console.transaction():
            await console.execute("SELECT FROM job_gates WHERE name = 'default' FOR UPDATE")
            job_id = await put(db, "a")
            named = f"nobody takes from default: the transaction of pid {console.info.backend_pid} has held its row"
            await until(lambda: any(named in line for line in said), what="it is said who holds the gate")
        await reaches(job_id, "completed")


async def test_workers_that_take_in_turn_are_not_taken_for_somebody_who_holds_the_gate(
    db: Database, said: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_held_gates, "_LONG", 0.0)
    gates = HeldGates(db.psycopg)
    for _ in range(3):
        async with held(db, "INSERT INTO job_gates (name) VALUES ('other') ON CONFLICT DO NOTHING"):
            await gates.shut(Queue.DEFAULT)
    assert said == []
