"""R21: what a handler needs is away for a while: no attempt counts, the job waits, and is done when it is back."""

import asyncio
import errno
from collections.abc import Callable
from uuid import UUID

import msgspec
import psycopg
import pytest
import redis
from botocore.exceptions import EndpointConnectionError
from jobs_support import ORGANIZATION, until
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from singr_db import Database, ObjectNotFoundError, ObjectStoreAwayError
from singr_jobs import Exponential, JobContext, Jobs, PermanentError, RetryLater, enqueue
from singr_jobs.running.attempts._failures import outage_behind

jobs = Jobs()
QUICK = Exponential(0.02, longest=0.05)


class Need(msgspec.Struct, frozen=True, tag="test.need"):
    """Meets an outage of that name so often, and then does its work."""

    way: str
    times: int = 1


def from_cause() -> Exception:
    error = RuntimeError("the venue cannot be loaded")
    error.__cause__ = psycopg.errors.DiskFull("no space left")
    return error


OUTAGES: dict[str, Callable[[], BaseException]] = {
    "disk full": lambda: psycopg.errors.DiskFull("no space left"),
    "too many connections": lambda: psycopg.errors.TooManyConnections("sorry"),
    "no connection": lambda: psycopg.OperationalError("connection failed"),
    "no connection, wrapped": lambda: OperationalError("SELECT", {}, psycopg.OperationalError("connection failed")),
    "no connection in the pool": lambda: PoolTimeoutError("QueuePool limit"),
    "rights taken away": lambda: psycopg.errors.InsufficientPrivilege("permission denied"),
    "read-only": lambda: psycopg.errors.ReadOnlySqlTransaction("read-only"),
    "deadlock": lambda: psycopg.errors.DeadlockDetected("deadlock"),
    "redis away": lambda: redis.ConnectionError("refused"),
    "redis silent": lambda: redis.TimeoutError("silent"),
    "redis full": lambda: redis.exceptions.OutOfMemoryError("full"),
    "network": lambda: ConnectionRefusedError("refused"),
    "this machine's disk": lambda: OSError(28, "no space left on device"),
    "network silent": lambda: TimeoutError(errno.ETIMEDOUT, "timed out"),
    "object store away": lambda: EndpointConnectionError(endpoint_url="http://objects"),
    "object store, as singr-db has it": lambda: ObjectStoreAwayError("the object store refused PutObject: SlowDown"),
    "group": lambda: ExceptionGroup("two", [TimeoutError(errno.ETIMEDOUT, "late"), psycopg.errors.DiskFull("full")]),
    "behind an error of its own": from_cause,
}
met: dict[UUID, int] = {}


@jobs.handler(Need, attempts=1)
async def need(job: Need, context: JobContext) -> None:
    met[context.job_id] = met.get(context.job_id, 0) + 1
    if met[context.job_id] <= job.times:
        error = OUTAGES[job.way]()
        raise error


class Wait(msgspec.Struct, frozen=True, tag="test.wait"):
    """Waits longer than it allows itself."""


@jobs.handler(Wait, attempts=1)
async def wait(_job: Wait, _context: JobContext) -> None:
    async with asyncio.timeout(0):
        await asyncio.Event().wait()


async def put(db: Database, job: msgspec.Struct) -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        return await enqueue(session, job, organization_id=ORGANIZATION)


@pytest.mark.parametrize("way", OUTAGES)
async def test_an_outage_that_a_handler_meets_counts_no_attempt(db, waker, working, reaches, way):
    job_id = await put(db, Need(way))
    async with working(jobs=jobs, outage_pause=QUICK):
        job = await reaches(job_id, "completed")
    assert (job.attempt, job.attempts, job.error, met[job_id]) == (1, [], None, 2)


async def test_a_job_that_waits_for_an_outage_says_so_and_tells_no_statement(db, waker, working, read):
    job_id = await put(db, Need("no connection, wrapped", times=1_000_000))
    async with working(jobs=jobs, outage_pause=QUICK):
        await until(lambda: met.get(job_id, 0) > 1)
        job = await read(job_id)
    assert job.error is not None
    assert (job.error.code, job.error.message) == ("outage", "the database could not be used")
    assert job.attempts == []


async def test_the_log_says_in_its_words_why_the_object_store_is_away(db, waker, working, said):
    job_id = await put(db, Need("object store, as singr-db has it", times=1_000_000))
    async with working(jobs=jobs, outage_pause=QUICK):
        await until(lambda: met.get(job_id, 0) > 1)
    assert any("waits: ObjectStoreAwayError: the object store refused PutObject: SlowDown" in line for line in said)


async def test_a_job_waits_for_an_outage_no_longer_than_its_time(db, waker, working, reaches):
    job_id = await put(db, Need("disk full", times=1_000_000))
    async with working(jobs=jobs, outage_pause=QUICK, outage_for=0.2):
        job = await reaches(job_id, "failed")
    assert (job.error.code, job.attempt, len(job.attempts)) == ("outage", 1, 1)
    assert met[job_id] > 1


async def test_what_one_worker_knows_of_an_outage_the_next_one_goes_on_from(db, waker, working):
    job_id = await put(db, Need("network", times=1_000_000))

    async def outage() -> tuple[int, float]:
        async with db.psycopg.connection() as connection:
            cursor = await connection.execute("SELECT error -> 'outage' FROM jobs WHERE id = %s", (job_id,))
            [known] = await cursor.fetchone() or [None]
            return (known["times"], known["since"]) if known else (0, 0.0)

    async def again() -> bool:
        return (await outage())[0] > before[0]

    before = (0, 0.0)
    for _ in range(2):
        async with working(jobs=jobs, outage_pause=QUICK):
            await until(again)
        since, before = before[1], await outage()
    assert before[0] > 1
    assert before[1] == since


async def test_a_time_limit_of_the_handlers_own_that_runs_out_is_a_failed_attempt(db, waker, working, reaches):
    job_id = await put(db, Wait())
    async with working(jobs=jobs, outage_pause=QUICK):
        job = await reaches(job_id, "failed")
    assert (job.error.code, job.attempt) == ("TimeoutError", 1)


class SaysError(Exception):
    """An error of a library that does not know jobs, and says itself whether there may be another attempt."""

    code = "taken_or_not"

    def __init__(self, *, may_be_repeated: bool, retry_after: float | None = None) -> None:
        super().__init__("nobody knows")
        self.may_be_repeated = may_be_repeated
        self.retry_after = retry_after


def behind(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


class LoudError(Exception):
    @property
    def __cause__(self) -> BaseException:
        raise RuntimeError("not today")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a fault"),
        psycopg.errors.UniqueViolation("twice"),
        psycopg.errors.UndefinedColumn("a typing error"),
        FileNotFoundError(2, "no such template"),
        ObjectNotFoundError("there is no object under this key"),
        ExceptionGroup("one of two", [ConnectionRefusedError(), ValueError("a fault")]),
        TimeoutError(),
        TimeoutError("the render took too long"),
        ExceptionGroup("one is a limit", [TimeoutError(), psycopg.errors.DiskFull("full")]),
        LoudError(),
        behind(PermanentError("gone", "there is no such thing"), ConnectionRefusedError()),
        behind(SaysError(may_be_repeated=False), ConnectionResetError()),
        behind(SaysError(may_be_repeated=True), ConnectionResetError()),
        behind(RuntimeError("it"), behind(SaysError(may_be_repeated=False), ConnectionResetError())),
    ],
    ids=lambda error: f"{type(error).__name__} {error}" if str(error) else type(error).__name__,
)
def test_a_fault_is_no_outage(error):
    assert outage_behind(error) is None


@jobs.handler(type("Told", (msgspec.Struct,), {"__annotations__": {}}, frozen=True, tag="test.told"), attempts=2)
async def told(_: msgspec.Struct, context: JobContext) -> None:
    if context.attempt == 1:
        raise RetryLater(0.0, "busy", "later") from ConnectionRefusedError()
    raise PermanentError("gone", "there is no such thing") from ConnectionRefusedError()


async def test_what_a_handler_says_of_its_job_outweighs_what_it_met(db, waker, working, reaches):
    job_id = await put(db, jobs.named("test.told").struct())
    async with working(jobs=jobs, outage_pause=QUICK):
        job = await reaches(job_id, "failed")
    assert [attempt.error.code for attempt in job.attempts] == ["busy", "gone"]
