"""R12: a worker that stops leaves nothing behind that would have to wait until a lease runs out."""

import asyncio
import threading
from collections.abc import AsyncIterator
from queue import Empty
from uuid import UUID

import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, lies, put, take_by_hand, until
from jobs_support import jobs as steered

from singr_config import Settings
from singr_db import Database
from singr_jobs import JobWorker, Queue, QueueOptions, Waker, WorkerOptions, enqueue, redis_client, redis_transport
from singr_jobs.running import _line
from singr_jobs.taking._tickets import Ticket, _Messages

LONG = 60.0


@pytest.fixture
async def worker(settings: Settings, db: Database, waker: Waker, pulse: Pulse) -> AsyncIterator[JobWorker]:
    """One that its test runs itself."""
    client = redis_client(settings.redis)
    options = WorkerOptions(queues={Queue.DEFAULT: QueueOptions(concurrency=1)}, lease=LONG, grace=0.1)
    yield JobWorker(
        db.psycopg,
        client,
        redis_transport(settings.redis),
        steered,
        resources={Pulse: pulse},
        name="stopped",
        options=options,
    )
    await client.aclose()


async def stands(db: Database, job_id: UUID) -> tuple[str, int, str]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute("SELECT status, attempt FROM jobs WHERE id = %s", [job_id])
        return (*await cursor.fetchone(), await lies(db, job_id))


async def test_what_was_handed_over_and_not_begun_goes_back_when_the_worker_stops(db, working, pulse):
    async with working(lease=LONG, concurrency=1) as worker:
        await put(db, "a", "wait")
        await until(lambda: pulse.ran == ["a"])
        job_id = await put(db, "b")
        await take_by_hand(db, job_id, token=7, state="travelling")
        worker._runner._arrivals[Queue.DEFAULT]._over = True  # it comes in the moment in which the stop begins
        worker._runner.accept(Ticket(Queue.DEFAULT, 7, 1))
        await until(lambda: worker.in_hand() == {"default": 2})
        stopping = asyncio.create_task(worker.stop())
        await until(lambda: worker._runner._stopping)
        pulse.gate.set()
        await stopping
    assert await stands(db, job_id) == ("pending", 0, "ready")


async def test_job_that_is_taken_while_the_worker_stops_goes_back_uncounted(db, working, pulse):
    """A trigger holds the take up until the stop has begun."""
    async with db.psycopg.connection() as connection:
        await connection.execute(
            """
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_advisory_xact_lock(4711);
                RETURN OLD;
            END $$;
            CREATE TRIGGER hold BEFORE DELETE ON job_ready FOR EACH ROW EXECUTE FUNCTION hold()
            """
        )
    try:
        async with working(lease=LONG) as worker:
            async with db.psycopg.connection() as holding, holding.transaction():
                await holding.execute("SELECT pg_advisory_xact_lock(4711)")
                job_id = await put(db)

                async def held_up() -> bool:
                    waiting = "SELECT count(*) FROM pg_locks WHERE objid = 4711 AND NOT granted"
                    return (await (await holding.execute(waiting)).fetchone()) == (1,)

                await until(held_up)
                stopping = asyncio.create_task(worker.stop())
                await until(worker._stop.is_set)
            await stopping
        assert await stands(db, job_id) == ("pending", 0, "ready")
        assert pulse.ran == []
    finally:
        async with db.psycopg.connection() as connection:
            await connection.execute("DROP FUNCTION hold CASCADE")


async def test_what_is_being_offered_while_the_worker_stops_goes_back(db, working, pulse, monkeypatch):
    """It waits behind a job that takes its time, and the ticket that offers it is sent as the stop begins."""
    monkeypatch.setattr(_line, "PATIENCE", 0.05)
    sends, may_send = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    async with working(lease=LONG, concurrency=1) as worker:
        send = worker._transport.send

        def held_up(tickets: list[Ticket]) -> None:
            loop.call_soon_threadsafe(sends.set)
            may_send.wait(timeout=15.0)
            send(tickets)

        monkeypatch.setattr(worker._transport, "send", held_up)
        for number in range(3):
            await put(db, f"quick-{number}")
        await until(lambda: len(pulse.ran) == 3, what="it learns that jobs are quick")
        async with db.tenant(ORGANIZATION) as session:
            await enqueue(session, Steer("slow", ("wait",)), organization_id=ORGANIZATION)
            job_id = await enqueue(session, Steer("behind"), organization_id=ORGANIZATION)
        await until(sends.is_set, what="it is being offered")
        stopping = asyncio.create_task(worker.stop())
        await until(lambda: worker._runner._stopping)
        may_send.set()
        pulse.gate.set()
        await stopping
    assert await stands(db, job_id) == ("pending", 0, "ready")


@pytest.mark.parametrize("cancels", [1, 2, 3])
async def test_stop_ends_and_leaves_nothing_however_often_the_worker_was_cancelled(db, worker, pulse, cancels):
    """As `asyncio.run` and a task group do it between them, when a service ends by an error of its own."""
    tasks, threads = asyncio.all_tasks(), threading.enumerate()
    running = asyncio.create_task(worker.run())
    job_id = await put(db, "a", "hang")
    await until(lambda: pulse.ran == ["a"])
    for _ in range(cancels):
        running.cancel()
        await asyncio.sleep(0.01)
    async with asyncio.timeout(15):
        await worker.stop()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert pulse.running == 0
    assert await stands(db, job_id) == ("pending", 0, "ready")
    assert asyncio.all_tasks() <= tasks
    assert {one for one in threading.enumerate() if not one.name.startswith("asyncio_")} <= set(threads)


async def test_stop_ends_where_the_worker_never_began(worker, monkeypatch):
    async with asyncio.timeout(15):
        await worker.stop()
        running = asyncio.create_task(worker.run())
        running.cancel()  # before its first turn, as a task group does whose other task fails at once
        await worker.stop()

        def refused(*_args, **_options):
            raise RuntimeError("no transport")

        monkeypatch.setattr(worker._transport, "start", refused)
        with pytest.raises(RuntimeError):
            await worker.run()
        await worker.stop()


def test_thread_that_waits_for_tickets_is_let_go_when_it_shall_end():
    messages = _Messages()
    messages.put("a ticket")
    assert messages.get(timeout=0.01) == "a ticket"
    messages.let_go()
    with pytest.raises(Empty):
        messages.get(timeout=0.01)
