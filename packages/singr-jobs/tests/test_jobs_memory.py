"""Jobs in memory keep a worker's rules: what ends, fails or waits there does so here."""

import asyncio
import math
import subprocess
import sys
from typing import Any

import msgspec
import psycopg
import pytest
from jobs_support import ORGANIZATION
from test_jobs_failing import WAYS, Fail
from test_jobs_failing import jobs as failing

from singr_jobs import EnqueueError, Exponential, JobContext, Jobs, PermanentError, QueueError, RetryLater, enqueue
from singr_jobs._plain import stored_size
from singr_jobs.testing import InMemoryJobs, MemoryJob


class Act(msgspec.Struct, frozen=True, tag="test.act"):
    """Does what its test says."""

    number: int = 1


class Picky(msgspec.Struct, frozen=True, tag="test.picky"):
    number: int
    share: float | None = None


class Loose(msgspec.Struct, frozen=True, tag="test.picky"):
    """What another version calls by the same name."""

    number: str


class Away(msgspec.Struct, frozen=True, tag="test.away"):
    """Its handler is in another process."""


async def ran(act: Any, *, times: int = 1, **options: Any) -> MemoryJob:
    made = Jobs()
    made.handler(Act, **{"attempts": 2, "backoff": Exponential(5.0)} | options)(act)
    memory = InMemoryJobs(made)
    await enqueue(memory, Act(), organization_id=ORGANIZATION)
    for _ in range(times):
        memory.advance(3600)
        await memory.run_due()
    [job] = memory.all
    return job


@pytest.mark.parametrize("way", WAYS)
async def test_a_job_in_memory_ends_as_at_a_worker_in_whatever_way_its_handler_fails(way: str):
    memory = InMemoryJobs(failing)
    await enqueue(memory, Fail(way), organization_id=ORGANIZATION)
    [job] = await memory.run_due()
    assert job.error is not None
    assert (job.status, job.error.code, job.result) == ("failed", WAYS[way][1], None)


@pytest.mark.parametrize(
    ("result", "kept"),
    [((1, 2), [1, 2]), (Act(3), {"type": "test.act", "number": 3}), ({1: "a"}, {"1": "a"}), (False, False)],
    ids=["tuple", "struct", "number as key", "false"],
)
async def test_a_result_in_memory_is_what_json_gives_back(result: object, kept: object):
    async def act(_job: Act, _context: JobContext) -> object:
        return result

    job = await ran(act)
    assert (job.status, job.result, job.error) == ("completed", kept, None)


async def test_an_outage_in_memory_counts_no_attempt_and_ends_after_a_day():
    async def act(_job: Act, _context: JobContext) -> None:
        raise psycopg.OperationalError("connection failed")

    once = await ran(act)
    assert (once.status, once.attempt, once.error.code if once.error else None) == ("pending", 0, "outage")
    day = await ran(act, times=30)
    assert (day.status, day.attempt, day.error.code if day.error else None) == ("failed", 1, "outage")


async def test_an_attempt_in_memory_that_takes_too_long_is_timed_out():
    async def act(_job: Act, _context: JobContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("of its own, on its way out")

    job = await ran(act, timeout=0.01, attempts=1)
    assert (job.status, job.errors) == ("failed", ["the attempt took longer than 0.01 s"])
    assert job.error
    assert job.error.code == "timeout"


async def test_a_handler_in_memory_that_cancels_its_task_fails_alone():
    async def act(_job: Act, _context: JobContext) -> None:
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(0)

    job = await ran(act)
    assert (job.status, job.attempt, job.error and job.error.code) == ("pending", 1, "cancelled_itself")


async def test_whoever_runs_jobs_in_memory_can_be_cancelled_and_no_attempt_counts():
    begun = asyncio.Event()
    made = Jobs()

    @made.handler(Act)
    async def act(_job: Act, _context: JobContext) -> None:
        begun.set()
        await asyncio.Event().wait()

    memory = InMemoryJobs(made)
    await enqueue(memory, Act(), organization_id=ORGANIZATION)
    running = asyncio.create_task(memory.run_due())
    await begun.wait()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert [(job.status, job.attempt) for job in memory.all] == [("pending", 0)]


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (PermanentError("no_money", "the account is empty"), "no_money: the account is empty", "no_money"),
        (RetryLater(1, "busy", "not now"), "busy: not now", "busy"),
        (ValueError("broken"), "broken", "ValueError"),
        (ValueError(), "ValueError", "ValueError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_an_error_in_memory_has_its_words_and_its_code(error: Exception, words: str, code: str):
    async def act(_job: Act, _context: JobContext) -> None:
        raise error

    job = await ran(act)
    assert job.errors == [words]
    assert job.error
    assert job.error.code == code


async def test_a_payload_of_another_version_that_cannot_be_decoded_fails_when_it_runs():
    made, other = Jobs(), Jobs()
    other.declare(Loose)

    @made.handler(Picky, attempts=2)
    async def act(_job: Picky, _context: JobContext) -> None: ...

    memory = InMemoryJobs(made)
    await enqueue(memory, Loose("x"), organization_id=ORGANIZATION)
    await memory.run_until_done()
    [job] = memory.all
    assert job.error
    assert (job.job, job.status, job.attempt, job.error.code) == (None, "failed", 3, "not_runnable")
    assert memory.enqueued(Picky) == []


async def test_a_job_in_memory_whose_handler_is_elsewhere_waits():
    made = Jobs()
    made.declare(Away)
    memory = InMemoryJobs(made)
    await enqueue(memory, Away(), organization_id=ORGANIZATION)
    assert [(job.status, job.attempt) for job in await memory.run_until_done()] == [("pending", 0)]
    assert memory.enqueued(Away) == [Away()]


async def test_memory_takes_no_priority_that_a_session_would_refuse():
    with pytest.raises(EnqueueError, match="priority must be one of"):
        await enqueue(InMemoryJobs(failing), Fail("exit"), organization_id=ORGANIZATION, priority=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", ["singr_config", "singr_db", "singr_observability"])
def test_jobs_in_memory_without_the_extra_say_what_to_install(missing: str):
    program = f"import sys; sys.modules[{missing!r}] = None; from singr_jobs.testing import InMemoryJobs"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[-1]
    assert said.startswith("ImportError: singr_jobs.testing needs singr_")
    assert said.endswith(": pip install 'singr-jobs[worker]'")


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (Picky("x"), r"Expected `int`, got `str` - at `\$.number`"),  # type: ignore[arg-type]  # what is refused
        (Picky(1, math.nan), r"\$.share must be a finite number"),
        (Picky(1, -math.inf), r"\$.share must be a finite number"),
    ],
)
async def test_what_its_handler_would_not_get_as_it_is_cannot_be_enqueued(job: Picky, says: str):
    made = Jobs()

    @made.handler(Picky)
    async def act(_job: Picky, _context: JobContext) -> None: ...

    with pytest.raises(EnqueueError, match=says):
        await enqueue(InMemoryJobs(made), job, organization_id=ORGANIZATION)


async def test_a_result_that_json_would_change_is_refused_by_its_place():
    async def act(_job: Act, _context: JobContext) -> dict[str, list[float]]:
        return {"shares": [1.0, math.nan]}

    job = await ran(act)
    assert job.error
    assert (job.status, job.error.code) == ("failed", "result_not_storable")
    assert "no finite number at $.shares[1]" in job.error.message


async def test_a_result_is_as_large_as_it_is_given_back():
    """PostgreSQL writes out the 309 digits of 1e308: a result of a megabyte came back as 53."""

    async def act(_job: Act, _context: JobContext) -> list[float]:
        return [1e308] * 4000

    job = await ran(act)
    assert job.error
    assert (job.status, job.error.code) == ("failed", "result_too_large")


def test_an_exponent_within_a_text_is_no_number():
    assert stored_size(b'{"1e9": "2e308 \\" 3e308", "x": [1e3, -2.5E-7]}', limit=100) == 46 + 3 + 7


async def test_a_failed_job_has_made_no_progress():
    async def act(_job: Act, context: JobContext) -> None:
        await context.progress(53)
        raise ValueError("too late")

    job = await ran(act)
    assert (job.errors, job.progress) == (["too late"], 0)


async def test_progress_that_is_no_percentage_is_refused_by_its_name():
    async def act(_job: Act, context: JobContext) -> None:
        await context.progress("40")  # type: ignore[arg-type]  # what is refused

    assert (await ran(act)).errors == ["progress must be 0 to 100, a whole number, not '40'"]


def test_one_name_is_not_several_queues():
    with pytest.raises(QueueError, match="queues must be several queues"):
        InMemoryJobs(Jobs(), queues="email")  # type: ignore[arg-type]  # what is refused


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_time_in_memory_passes_in_numbers_of_seconds(seconds: float):
    with pytest.raises(ValueError, match="time passes in a number of seconds"):
        InMemoryJobs(Jobs()).advance(seconds)
