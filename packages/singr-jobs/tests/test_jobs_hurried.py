"""A worker that is cut off ends soon, whoever does not obey, and hands back what obeyed at once."""

import asyncio
import threading
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest
from jobs_support import ORGANIZATION, lies, until

from singr_config import Settings
from singr_db import Database
from singr_jobs import (
    JobContext,
    Jobs,
    JobsError,
    JobWorker,
    Queue,
    QueueOptions,
    SyncJobContext,
    Waker,
    WorkerOptions,
    enqueue,
    redis_client,
    redis_transport,
)
from singr_jobs.running import _runner

GRACE = 3600.0
jobs = Jobs()


class Gates:
    """What stubborn handlers wait for, and what has begun."""

    def __init__(self) -> None:
        self.open, self.open_in_thread = asyncio.Event(), threading.Event()
        self.begun: list[str] = []


class Obedient(msgspec.Struct, frozen=True, tag="test.obedient"):
    """Ends when it is told to."""


class Stubborn(msgspec.Struct, frozen=True, tag="test.stubborn"):
    """Swallows its cancellation."""


class Stuck(msgspec.Struct, frozen=True, tag="test.stuck"):
    """Sits in a thread."""


@jobs.handler(Obedient, needs=(Gates,))
async def obedient(_job: Obedient, context: JobContext) -> None:
    context.resource(Gates).begun.append("obedient")
    await asyncio.Event().wait()


@jobs.handler(Stubborn, needs=(Gates,))
async def stubborn(_job: Stubborn, context: JobContext) -> None:
    gates = context.resource(Gates)
    gates.begun.append("stubborn")
    while not gates.open.is_set():
        try:
            await gates.open.wait()
        except asyncio.CancelledError:
            gates.begun.append("told")


@jobs.handler(Stuck, needs=(Gates,))
def stuck(_job: Stuck, context: SyncJobContext) -> None:
    gates = context.resource(Gates)
    gates.begun.append("stuck")
    gates.open_in_thread.wait()


@pytest.fixture
def gates() -> Gates:
    return Gates()


@pytest.fixture
async def worker(settings: Settings, db: Database, waker: Waker, gates: Gates) -> AsyncIterator[JobWorker]:
    """One that its test runs itself."""
    client = redis_client(settings.redis)
    options = WorkerOptions(queues={Queue.DEFAULT: QueueOptions(concurrency=4)}, lease=60.0, grace=GRACE)
    transport = redis_transport(settings.redis)
    yield JobWorker(db.psycopg, client, transport, jobs, resources={Gates: gates}, name="hurried", options=options)
    gates.open.set()
    gates.open_in_thread.set()
    await client.aclose()


async def stands(db: Database, job_id: UUID) -> tuple[str, int, str]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute("SELECT status, attempt FROM jobs WHERE id = %s", [job_id])
        return (*await cursor.fetchone(), await lies(db, job_id))


async def cut_off(worker: JobWorker, running: "asyncio.Task[None]") -> None:
    """Cancel it twice, the second time while it waits for what it has in hand."""
    running.cancel()
    await until(lambda: worker._runner._stopping)
    await asyncio.sleep(0.1)
    running.cancel()


@pytest.mark.parametrize("job", [Stubborn(), Stuck()], ids=["swallows its cancellation", "sits in a thread"])
async def test_worker_that_is_cancelled_twice_ends_soon_whoever_does_not_obey(db, worker, gates, job):
    async with db.tenant(ORGANIZATION) as session:
        ids = [await enqueue(session, one, organization_id=ORGANIZATION) for one in (Obedient(), job)]
    running = asyncio.create_task(worker.run())
    await until(lambda: len(gates.begun) == 2)
    await cut_off(worker, running)
    async with asyncio.timeout(30):  # of a grace of an hour
        with pytest.raises(asyncio.CancelledError):
            await running
    assert [await stands(db, job_id) for job_id in ids] == [("pending", 0, "ready")] * 2


async def test_what_obeys_is_handed_back_while_the_worker_waits_for_what_does_not(db, worker, gates, monkeypatch):
    monkeypatch.setattr(_runner, "_CUT_OFF", GRACE)
    monkeypatch.setattr(_runner, "_STUBBORN", GRACE)
    async with db.tenant(ORGANIZATION) as session:
        job_id = await enqueue(session, Obedient(), organization_id=ORGANIZATION)
        await enqueue(session, Stubborn(), organization_id=ORGANIZATION)
    running = asyncio.create_task(worker.run())
    await until(lambda: len(gates.begun) == 2)
    await cut_off(worker, running)

    async def is_back() -> bool:
        return await stands(db, job_id) == ("pending", 0, "ready")

    await until(is_back)
    assert not running.done()
    gates.open.set()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_second_run_is_refused_in_our_words_and_the_first_goes_on_until_it_is_drained(db, worker, gates):
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, Stubborn(), organization_id=ORGANIZATION)
    running = asyncio.create_task(worker.run())
    await until(lambda: len(gates.begun) == 1)
    with pytest.raises(JobsError, match="a new one for each"):
        await worker.run()
    stopping = asyncio.create_task(worker.stop())
    await until(lambda: worker._runner._stopping)
    assert not (await asyncio.wait([stopping], timeout=0.1))[0]
    gates.open.set()
    await stopping
    await running
    with pytest.raises(JobsError):
        await worker.run()
