"""Whatever interrupts an attempt, and whenever: it ends once, as what came first says, and leaves its place."""

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable

import msgspec
import pytest
from jobs_support import ORGANIZATION, Pulse, lies, put, until

from singr_db import Database
from singr_db.ending import LOSE
from singr_jobs import Exponential, JobContext, Jobs, Queue, SyncJobContext, cancel_job, enqueue
from singr_jobs.running._runner import Runner
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.testing import InMemoryJobs

Interrupts = Callable[[Runner, ClaimedJob], None]


class Tidy(msgspec.Struct, frozen=True, tag="test.tidy"):
    """Puts in order what it began, once it is interrupted."""


def interrupted_at_once(runner: Runner, monkeypatch: pytest.MonkeyPatch, interrupt: Interrupts) -> None:
    """What is begun from now on is interrupted before its first step."""
    begin = runner._begin

    def begin_and_interrupt(line, jobs, **options) -> None:
        begin(line, jobs, **options)
        for job in jobs:
            interrupt(runner, job)

    monkeypatch.setattr(runner, "_begin", begin_and_interrupt)


@pytest.mark.parametrize(
    "interrupt",
    [
        lambda runner, job: runner._cancel(job.id),
        lambda runner, job: runner._renewed([job], {job.token}, {job.id}),
    ],
    ids=["by-a-word", "by-its-row"],
)
async def test_a_job_that_is_cancelled_before_its_first_step_ends_and_leaves_its_place(
    db: Database, working, reaches, pulse: Pulse, monkeypatch: pytest.MonkeyPatch, interrupt: Interrupts
):
    async with working(concurrency=1) as worker:
        with monkeypatch.context() as patching:
            interrupted_at_once(worker._runner, patching, interrupt)
            job = await reaches(await put(db, "a"), "cancelled")
        await reaches(await put(db, "b"), "completed")
        assert worker.in_hand() == {"default": 0}
    assert [attempt.outcome for attempt in job.attempts] == ["cancelled"]
    assert pulse.ran == ["b"]


async def test_a_job_whose_lease_is_lost_before_its_first_step_leaves_its_place(
    db: Database, working, reaches, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
):
    async with working(concurrency=1) as worker:
        with monkeypatch.context() as patching:
            lost: list[ClaimedJob] = []

            def lose(runner: Runner, job: ClaimedJob) -> None:
                lost.append(job)
                runner._renewed([job], set(), set())

            interrupted_at_once(worker._runner, patching, lose)
            await put(db, "a")
            await until(lambda: bool(lost), what="it is begun")
            await until(lambda: worker.in_hand() == {"default": 0}, what="it is in hand no more")
        await reaches(await put(db, "b"), "completed")
    assert pulse.ran == ["b"]


async def test_a_stop_before_a_jobs_first_step_hands_it_back_uncounted(
    db: Database, working, read, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
):
    async with working(lease=60.0, grace=0.1) as worker:
        interrupted_at_once(worker._runner, monkeypatch, lambda runner, job: runner.cut_off())
        job_id = await put(db, "a")
        await until(lambda: worker.in_hand() == {"default": 1})
    assert (await read(job_id)).attempt == 0
    assert (await lies(db, job_id), pulse.ran) == ("ready", [])


@pytest.mark.parametrize("first", ["cancelled", "timed_out", "lost"])
async def test_a_second_interruption_disturbs_no_handler_that_puts_things_in_order(
    db: Database, working, read, first: str
):
    made, begun, cleaning, may_end, tidied = Jobs(), asyncio.Event(), asyncio.Event(), asyncio.Event(), []

    @made.handler(Tidy, queue=Queue.DEFAULT, attempts=1, timeout=600)
    async def tidy(job: Tidy, context: JobContext) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await may_end.wait()
            tidied.append(context.cancelled())

    async with working(jobs=made, lease=60.0) as worker:
        async with db.tenant(ORGANIZATION) as session:
            job_id = await enqueue(session, Tidy(), organization_id=ORGANIZATION)
        await begun.wait()
        runner = worker._runner
        [(_, job)] = runner._claimed.values()
        runner._interrupt(job, first)
        await cleaning.wait()
        asked_at = job.interrupted_at
        for _ in range(2):
            runner._cancel(job.id)
            runner._renewed([job], {job.token}, {job.id})
            runner._renewed([job], set(), set())
            runner.cut_off()
            await asyncio.sleep(0)
        may_end.set()
        await until(lambda: worker.in_hand() == {"default": 0}, what="it has ended")
        assert (tidied, job.interrupted_at) == ([first == "cancelled"], asked_at)
    outcomes = [attempt.outcome for attempt in (await read(job_id)).attempts]
    assert outcomes == ([first] if first != "lost" else [])


async def test_a_second_cancellation_leaves_a_function_its_time_to_end(db: Database, working, reaches):
    begun, may_end, made = threading.Event(), threading.Event(), Jobs()

    @made.handler(Tidy, queue=Queue.DEFAULT, timeout=600)
    def tidy(job: Tidy, context: SyncJobContext) -> None:
        begun.set()
        may_end.wait()

    async with working(jobs=made, concurrency=1) as worker:
        async with db.tenant(ORGANIZATION) as session:
            job_id = await enqueue(session, Tidy(), organization_id=ORGANIZATION)
        await until(begun.is_set, what="it runs")
        worker._runner._cancel(job_id)
        await asyncio.sleep(0)
        worker._runner._cancel(job_id)
        for _ in range(5):
            await asyncio.sleep(0)
        may_end.set()
        job = await reaches(job_id, "completed")  # it was never told, so that it did its work
    assert [attempt.outcome for attempt in job.attempts] == []


async def test_what_is_lost_and_comes_back_here_leaves_one_place_however_its_first_handler_ends(
    db: Database, working, reaches
):
    """That one swallows its cancellation, and returns once the job is in hand again."""
    made, begun, ended = Jobs(), asyncio.Event(), asyncio.Event()

    @made.handler(Tidy, queue=Queue.DEFAULT, attempts=3, backoff=Exponential(0.05), timeout=600)
    async def tidy(job: Tidy, context: JobContext) -> None:
        if not begun.is_set():
            begun.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            ended.set()

    async with working(jobs=made, concurrency=2, lease=60.0) as worker:
        async with db.tenant(ORGANIZATION) as session:
            job_id = await enqueue(session, Tidy(), organization_id=ORGANIZATION)
        await begun.wait()
        async with db.psycopg.connection() as connection:
            await connection.execute("UPDATE job_tickets SET leased_until = now() - interval '1 second'")
            await connection.execute(LOSE, {"limit": 100, "error": '{"code": "worker_lost"}', "looked": math.inf})
        await ended.wait()
        await reaches(job_id, "completed")
        line = worker._runner._lines[Queue.DEFAULT]
        await until(lambda: line.in_hand == 0, what="nothing is in hand")
        assert (line.over, line.running) == (0, 0)


async def test_a_job_in_memory_that_is_cancelled_twice_puts_things_in_order():
    made, begun, cleaning, may_end, tidied = Jobs(), asyncio.Event(), asyncio.Event(), asyncio.Event(), []

    @made.handler(Tidy, timeout=600)
    async def tidy(job: Tidy, context: JobContext) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await may_end.wait()
            tidied.append(context.cancelled())

    memory = InMemoryJobs(made)
    job_id = await enqueue(memory, Tidy(), organization_id=ORGANIZATION)
    running = asyncio.create_task(memory.run_due())
    await begun.wait()
    await cancel_job(memory, job_id)
    await cleaning.wait()
    await cancel_job(memory, job_id)
    await asyncio.sleep(0)
    may_end.set()
    await running
    assert ([job.status for job in memory.all], tidied) == (["cancelled"], [True])
