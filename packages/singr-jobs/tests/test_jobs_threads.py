"""Handlers that are plain functions run in threads: beside the loop, bounded, and honest about their end."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import msgspec
import pytest
from jobs_support import ORGANIZATION, until

from singr_db import Database, new_id
from singr_jobs import (
    JobContext,
    Jobs,
    JobStatus,
    PermanentError,
    RetryLater,
    SyncJobContext,
    cancel_job,
    enqueue,
)
from singr_jobs.running.attempts._threads import ThreadPool
from singr_jobs.testing import InMemoryJobs
from singr_observability import correlation_id, correlation_scope


class Do(msgspec.Struct, frozen=True, tag="test.do"):
    """What the test's own function does."""

    what: str = ""


class Beside(msgspec.Struct, frozen=True, tag="test.beside"):
    """An ordinary job."""


def doing(function: Callable[[Do, SyncJobContext], object], **options: Any) -> Jobs:
    made = Jobs()
    made.handler(Do, **options)(function)

    @made.handler(Beside)
    async def beside(job: Beside, context: JobContext) -> str:
        return "beside"

    return made


async def put(db: Database, job: msgspec.Struct, **options: Any) -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        return await enqueue(session, job, organization_id=ORGANIZATION, **options)


def context(reported: list[int] | None = None) -> JobContext:
    async def report(percent: int) -> None:
        if reported is not None:
            reported.append(percent)

    return JobContext(new_id(), ORGANIZATION, 1, 3, None, {}, report)


async def called(function: Callable[[Any, SyncJobContext], object], **options: Any) -> object:
    return await ThreadPool().run(function, None, context(), **options)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a function waits for: in the end it comes, whatever becomes of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No patience for functions whose attempt is over."""
    monkeypatch.setattr("singr_jobs.running.attempts._threads._LAST_WORDS", 0.05)


async def test_a_plain_function_runs_beside_the_loop_and_reports_its_progress(db: Database, working, read, reaches):
    shown, loop_thread = threading.Event(), threading.get_ident()

    def function(job: Do, context: SyncJobContext) -> object:
        context.progress(40)
        shown.wait()
        return {"what": job.what, "apart": threading.get_ident() != loop_thread, "attempt": context.attempt}

    async with working(jobs=doing(function)):
        job_id = await put(db, Do("it"))

        async def at_forty() -> bool:
            return (await read(job_id)).progress == 40

        await until(at_forty, what="its progress is shown")
        await reaches(await put(db, Beside()), "completed")
        shown.set()
        job = await reaches(job_id, "completed")
    assert job.result == {"what": "it", "apart": True, "attempt": 1}


async def test_functions_of_a_queue_run_at_once_up_to_its_concurrency(db: Database, working, reaches):
    both = threading.Barrier(2, timeout=20)
    running, most = 0, 0
    counting = threading.Lock()

    def function(job: Do, context: SyncJobContext) -> None:
        nonlocal running, most
        with counting:
            running += 1
            most = max(most, running)
        both.wait()
        with counting:
            running -= 1
        both.wait()

    async with working(jobs=doing(function), concurrency=2):
        for job_id in [await put(db, Do()) for _ in range(6)]:
            await reaches(job_id, "completed")
    assert most == 2


async def test_what_a_plain_function_raises_ends_its_attempt_as_an_async_ones_would(db: Database, working, reaches):
    def function(job: Do, context: SyncJobContext) -> str:
        match job.what:
            case "permanent":
                raise PermanentError("no_such_thing", "there is none")
            case "later" if context.attempt == 1:
                raise RetryLater(0, "busy", "not now")
            case "stop":
                next(iter(()))
            case "exit":
                sys.exit(3)
        return "done"

    async with working(jobs=doing(function, attempts=2)):
        one, two = await put(db, Do("permanent")), await put(db, Do("later"))
        assert (await reaches(one, "failed")).error.code == "no_such_thing"
        later = await reaches(two, "completed")
    assert [attempt.error.code for attempt in later.attempts] == ["busy"]
    memory = InMemoryJobs(doing(function, attempts=1))
    for what in ("stop", "permanent"):
        await enqueue(memory, Do(what), organization_id=ORGANIZATION)
    assert [job.errors for job in await memory.run_due()] == [
        ["coroutine raised StopIteration"],
        ["no_such_thing: there is none"],
    ]


async def test_a_function_that_runs_past_its_time_is_given_up_and_keeps_its_place_until_it_ends(
    db: Database, working, reaches, gate: threading.Event, said: list[str], short: None
):
    ran: list[str] = []

    def function(job: Do, context: SyncJobContext) -> None:
        if job.what == "long":
            gate.wait()
        ran.append(job.what)

    async with working(jobs=doing(function, attempts=1), concurrency=1) as worker:
        long = await put(db, Do("long"), timeout=0.2)
        job = await reaches(long, "failed")
        assert job.error.code == "timeout"
        assert [attempt.outcome for attempt in job.attempts] == ["timed_out"]
        behind = await put(db, Do("behind"))
        await until(lambda: worker.in_hand() == {"default": 1}, what="its place is taken")
        assert ran == []
        gate.set()
        await reaches(behind, "completed")
    assert ran == ["long", "behind"]
    [told] = [line for line in said if "goes on in its thread" in line]
    assert f"job {long} (test.do)" in told
    assert "gate.wait()" in told
    assert [f"job {long} (test.do)" in line for line in said if "was given up, has returned" in line] == [True]


async def test_a_function_that_hears_of_its_cancellation_returns_and_its_job_is_cancelled(
    db: Database, working, waker, reaches
):
    begun = threading.Event()

    def function(job: Do, context: SyncJobContext) -> str:
        begun.set()
        while not context.cancelled():
            threading.Event().wait(0.01)
        return "nothing of this is kept"

    async with working(jobs=doing(function, timeout=600)):
        job_id = await put(db, Do())
        await until(begun.is_set, what="it runs")
        async with db.tenant(ORGANIZATION) as session:
            await cancel_job(session, job_id)
        job = await reaches(job_id, "cancelled")
    assert job.result is None


async def test_a_stop_hands_back_what_goes_on_in_a_thread(db: Database, working, read, gate: threading.Event):
    begun = threading.Event()

    def function(job: Do, context: SyncJobContext) -> None:
        begun.set()
        gate.wait()

    async with working(jobs=doing(function, timeout=600), lease=30.0, grace=0.1):
        job_id = await put(db, Do())
        await until(begun.is_set, what="it runs")
    job = await read(job_id)
    assert (job.status, job.attempt) == ("pending", 0)


async def test_a_function_that_ends_without_being_told_has_done_its_work(gate: threading.Event):
    function = asyncio.create_task(called(lambda _job, _context: gate.wait()))
    await asyncio.sleep(0)
    function.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await function is True


async def test_reporting_progress_ends_a_function_whose_attempt_is_over(short: None):
    reported: list[int] = []
    ended: list[type] = []
    begun, over = threading.Event(), threading.Event()

    def function(job: None, context: SyncJobContext) -> None:
        try:
            context.progress(1)
            begun.set()
            while True:
                context.progress(2)
        except BaseException as error:
            ended.append(type(error))
            raise
        finally:
            over.set()

    calling = asyncio.create_task(ThreadPool().run(function, None, context(reported)))
    await until(begun.is_set, what="it runs")
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await until(over.is_set, what="it has ended")
    assert (reported[0], ended) == (1, [asyncio.CancelledError])


async def test_a_progress_out_of_range_is_refused_in_a_thread_too():
    with pytest.raises(ValueError, match="progress must be 0 to 100, a whole number, not 101"):
        await called(lambda _job, context: context.progress(101))


async def test_a_threads_log_lines_and_context_are_those_of_its_job():
    own: ContextVar[str] = ContextVar("own")
    own.set("the test's")
    with correlation_scope("req-9"):
        assert await called(lambda _job, _context: (correlation_id.get(), own.get())) == ("req-9", "the test's")


async def test_a_function_may_run_a_loop_of_its_own():
    assert await called(lambda _job, _context: asyncio.run(asyncio.sleep(0, "slept"))) == "slept"


async def test_a_plain_function_that_returns_a_coroutine_says_that_it_should_be_async():
    async def nobody_awaits() -> None: ...

    with pytest.raises(PermanentError, match="plain function and returned an awaitable"):
        await called(lambda _job, _context: nobody_awaits())


async def test_a_thread_is_used_again_and_ends_when_it_has_been_idle(monkeypatch: pytest.MonkeyPatch):
    pool = ThreadPool()
    [first, second] = [await pool.run(lambda _job, _context: threading.current_thread(), None, context()) for _ in "ab"]
    assert first is second
    monkeypatch.setattr("singr_jobs.running.attempts._threads._IDLE", 0.01)
    third = await pool.run(lambda _job, _context: threading.current_thread(), None, context())
    assert third is first
    await until(lambda: not first.is_alive(), what="it has ended")


async def test_a_callable_object_with_an_async_call_is_no_plain_function():
    class Caller:
        async def __call__(self, job: Do, context: JobContext) -> str:
            return "awaited"

    made = Jobs()
    made.handler(Do)(Caller())
    memory = InMemoryJobs(made)
    await enqueue(memory, Do(), organization_id=ORGANIZATION)
    assert [job.result for job in await memory.run_due()] == ["awaited"]


async def test_memory_jobs_give_up_a_function_that_runs_past_its_time(gate: threading.Event, short: None):
    memory = InMemoryJobs(doing(lambda _job, _context: gate.wait(), attempts=1, timeout=0.05))
    await enqueue(memory, Do(), organization_id=ORGANIZATION)
    assert [job.status for job in await memory.run_due()] == [JobStatus.FAILED]


def test_a_process_ends_though_a_function_goes_on_in_it():
    script = """
import asyncio, threading
from uuid import UUID
from singr_jobs import JobContext
from singr_jobs.running.attempts import _threads

async def main():
    context = JobContext(UUID(int=0), UUID(int=0), 1, 1, None, {}, None)
    async with asyncio.timeout(0.05):
        await _threads.ThreadPool().run(lambda job, context: threading.Event().wait(), None, context)

_threads._LAST_WORDS = 0.05
try:
    asyncio.run(main())
except TimeoutError:
    print("given up")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "given up\n"
