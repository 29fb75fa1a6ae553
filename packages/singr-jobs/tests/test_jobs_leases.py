"""R20, R22: nothing is taken from a worker that lives, whatever keeps it from saying so."""

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import msgspec
import pytest
from jobs_support import ORGANIZATION, Pulse, lies, put, until

from singr_db import Database
from singr_db.ending import LOSE
from singr_dev.clock import VirtualClock
from singr_jobs import JobContext, Jobs, JobTelemetry, Queue, enqueue
from singr_jobs.running import _runner
from singr_observability import build_metrics

LEASE = 3.0

jobs = Jobs()


class Block(msgspec.Struct, frozen=True, tag="test.block"):
    """Holds up the whole process."""

    seconds: float


class Wait(msgspec.Struct, frozen=True, tag="test.wait"):
    """Waits at the gate."""


@jobs.handler(Block, queue=Queue.DEFAULT, attempts=1, timeout=20)
async def block(job: Block, context: JobContext) -> None:
    time.sleep(job.seconds)  # noqa: ASYNC251 - what it is about


@jobs.handler(Wait, queue=Queue.DEFAULT, attempts=1, timeout=20, needs=(Pulse,))
async def wait(job: Wait, context: JobContext) -> None:
    pulse = context.resource(Pulse)
    pulse.running += 1
    await pulse.gate.wait()


class Stubborn(msgspec.Struct, frozen=True, tag="test.stubborn"):
    """Goes on though it is cancelled."""


def stubborn_jobs(over: asyncio.Event, begun: asyncio.Event | None = None, *, timeout: float = 0.2) -> Jobs:
    """A handler that ends when it is `over`, whatever happens before that."""
    made = Jobs()

    @made.handler(Stubborn, queue=Queue.DEFAULT, attempts=1, timeout=timeout)
    async def ignore(job: Stubborn, context: JobContext) -> None:
        if begun is not None:
            begun.set()
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    @made.handler(Block, queue=Queue.DEFAULT)
    async def pass_by(job: Block, context: JobContext) -> None:
        return None

    return made


@pytest.fixture
async def over() -> AsyncIterator[asyncio.Event]:
    """What a stubborn handler waits for: in the end it comes, whatever becomes of the test."""
    event = asyncio.Event()
    yield event
    event.set()


@contextmanager
def somebody_sweeping(db: Database) -> Iterator[None]:
    """Another process, which takes every job whose lease is over."""
    over = threading.Event()

    def sweep() -> None:
        with db.psycopg.connect() as connection:
            while not over.wait(0.05):
                connection.execute(LOSE, {"limit": 100, "error": '{"code": "worker_lost"}', "looked": math.inf})

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


async def test_a_handler_that_blocks_the_loop_for_two_leases_loses_no_job(
    db: Database, working, pulse: Pulse, reaches, said: list[str]
):
    async with working(jobs=jobs, lease=LEASE):
        async with db.tenant(ORGANIZATION) as session:
            neighbour = await enqueue(session, Wait(), organization_id=ORGANIZATION)
        await until(lambda: pulse.running == 1, what="the neighbour runs")
        with somebody_sweeping(db):
            async with db.tenant(ORGANIZATION) as session:
                blocking = await enqueue(session, Block(2 * LEASE), organization_id=ORGANIZATION)
            done = await reaches(blocking, "completed")
            pulse.gate.set()
            beside = await reaches(neighbour, "completed")
    assert [(job.attempt, job.error) for job in (done, beside)] == [(1, None), (1, None)]
    [told] = [line for line in said if "blocks the event loop" in line]
    assert f"job {blocking} (test.block)" in told
    assert "time.sleep(job.seconds)" in told


async def test_a_table_that_is_locked_for_longer_than_a_lease_costs_no_job_its_attempt(
    db: Database, working, pulse: Pulse, reaches
):
    async with working(lease=LEASE):
        job_id = await put(db, "a", "wait")
        await until(lambda: pulse.running == 1, what="it runs")
        async with db.psycopg.connection() as connection, connection.transaction():
            await connection.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(2 * LEASE)
        await asyncio.sleep(LEASE)
        pulse.gate.set()
        job = await reaches(job_id, "completed")
    assert (job.attempt, pulse.ran) == (1, ["a"])


async def test_a_database_whose_clock_jumps_ahead_takes_no_job_from_a_living_worker(
    clock: VirtualClock, db: Database, working, pulse: Pulse, reaches, said: list[str]
):
    async with working(lease=LEASE):
        job_id = await put(db, "a", "wait")
        await until(lambda: pulse.running == 1, what="it runs")
        async with db.psycopg.connection() as connection:  # the server's alone, not this process's
            await connection.execute("UPDATE virtual_clock.shift SET ahead = interval '1 minute'")
        await until(lambda: any("jumped ahead" in line for line in said), what="the jump is seen")
        await asyncio.sleep(LEASE)
        pulse.gate.set()
        job = await reaches(job_id, "completed")
    assert (job.attempt, pulse.ran) == (1, ["a"])


async def test_a_handler_that_swallows_its_cancellation_is_given_up_and_its_place_is_free(
    db: Database, working, reaches, over: asyncio.Event, said: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("singr_jobs.running._runner._STUBBORN", 0.2)
    async with working(jobs=stubborn_jobs(over), lease=LEASE, concurrency=1):
        async with db.tenant(ORGANIZATION) as session:
            stubborn = await enqueue(session, Stubborn(), organization_id=ORGANIZATION)
            behind = await enqueue(session, Block(0), organization_id=ORGANIZATION)
        job = await reaches(stubborn, "failed")
        await reaches(behind, "completed")
    assert job.error is not None
    assert job.error.code == "timeout"
    assert [f"job {stubborn} (test.stubborn) goes on" in line for line in said if "given up" in line] == [True]


async def test_handlers_that_were_given_up_are_twice_as_many_as_there_are_places_at_the_most(
    db: Database, working, reaches, over: asyncio.Event, said: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("singr_jobs.running._runner._STUBBORN", 0.2)
    metrics = build_metrics()

    def going_on() -> float:
        return metrics.render_json()["singr_handlers_given_up"]["values"][0]["value"]

    async with working(jobs=stubborn_jobs(over), concurrency=1, observer=JobTelemetry(metrics)) as worker:
        async with db.tenant(ORGANIZATION) as session:
            stubborn = [await enqueue(session, Stubborn(), organization_id=ORGANIZATION) for _ in range(2)]
        for job_id in stubborn:
            await reaches(job_id, "failed")
        assert list(worker.overrun()) == ["default"]
        assert going_on() == 2
        async with db.tenant(ORGANIZATION) as session:
            behind = await enqueue(session, Block(0), organization_id=ORGANIZATION)
        await until(lambda: worker._runner.room(Queue.DEFAULT) == 0, what="there is no room")
        assert await lies(db, behind) == "ready"
        over.set()
        await reaches(behind, "completed")
        assert (worker.overrun(), going_on()) == ({}, 0)
    assert len([line for line in said if "nothing more of default is taken here: 2 handlers" in line]) == 1


async def test_a_handler_is_given_up_once_however_long_its_outcome_takes_to_be_stored(
    db: Database, working, reaches, over: asyncio.Event, said: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("singr_jobs.running._runner._STUBBORN", 0.2)
    begun = asyncio.Event()
    async with working(jobs=stubborn_jobs(over, begun), concurrency=2) as worker:
        async with db.tenant(ORGANIZATION) as session:
            job_id = await enqueue(session, Stubborn(), organization_id=ORGANIZATION)
        await begun.wait()
        async with db.psycopg.connection() as connection, connection.transaction():
            await connection.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (job_id,))
            line = worker._runner._lines[Queue.DEFAULT]
            await until(lambda: line.given_up == 1, what="it is given up")
            looked = time.monotonic() + 5 * _runner._DEADLINES_EVERY
            await until(lambda: time.monotonic() > looked, what="deadlines were looked at again")
            assert line.given_up == 1
        await reaches(job_id, "failed")
    assert len([one for one in said if "it is given up" in one]) == 1


async def test_a_stop_hands_back_what_swallows_its_cancellation(db: Database, working, read, over: asyncio.Event):
    begun = asyncio.Event()
    async with working(jobs=stubborn_jobs(over, begun, timeout=600), lease=30.0, grace=0.2):
        async with db.tenant(ORGANIZATION) as session:
            job_id = await enqueue(session, Stubborn(), organization_id=ORGANIZATION)
        await begun.wait()
    job = await read(job_id)
    assert (job.status, job.attempt) == ("pending", 0)


async def test_a_process_that_hangs_for_longer_than_its_jobs_may_take_loses_them(db: Database, working, reaches):
    made = Jobs()

    @made.handler(Block, queue=Queue.DEFAULT, attempts=1, timeout=0.2)
    async def hang(job: Block, context: JobContext) -> None:
        time.sleep(job.seconds)  # noqa: ASYNC251 - as above

    async with working(jobs=made, lease=LEASE):
        with somebody_sweeping(db):
            async with db.tenant(ORGANIZATION) as session:
                job_id = await enqueue(session, Block(2.5 * LEASE), organization_id=ORGANIZATION)
            job = await reaches(job_id, "failed")
    assert [attempt.outcome for attempt in job.attempts] == ["lost"]
