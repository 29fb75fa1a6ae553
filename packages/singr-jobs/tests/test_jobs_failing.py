"""R22: the ways in which a handler can fail. Each job ends, and its neighbours and its queue do not notice."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from jobs_support import ORGANIZATION, until
from psycopg.errors import NotNullViolation
from sqlalchemy.exc import DataError, StatementError

from singr_db import Database
from singr_jobs import Exponential, JobContext, JobObserver, Jobs, PermanentError, RetryLater, enqueue, list_jobs
from singr_jobs.running._endings import error_json

jobs = Jobs()


class Fail(msgspec.Struct, frozen=True, tag="test.fail"):
    """Fails in the way of that name."""

    way: str


class Neighbour(msgspec.Struct, frozen=True, tag="test.neighbour"):
    """Does its work."""


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class ExitsError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class HalfError(PermanentError):
    def __init__(self) -> None:
        pass


class MoodyLater(RetryLater):
    def __init__(self) -> None:
        pass

    @property
    def code(self) -> str:  # type: ignore[override]
        raise RuntimeError("not today")


class Lone(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self

    def encode(self, *_: object) -> bytes:
        raise RuntimeError("not me")


def throw(error: BaseException) -> Callable[[], object]:
    def run() -> object:
        raise error

    return run


def deep() -> object:
    return deep()


# way → what it does, and how the job ends after its one attempt
WAYS: dict[str, tuple[Callable[[], object], str]] = {
    "lone surrogate": (throw(RuntimeError("bad \ud800")), "RuntimeError"),
    "nul": (throw(RuntimeError("a\x00b")), "RuntimeError"),
    "str raises": (throw(UnprintableError()), "UnprintableError"),
    "str exits": (throw(ExitsError()), "ExitsError"),
    "no text": (throw(PermanentError(5, None)), "5"),  # type: ignore[arg-type]
    "text of its own": (throw(RuntimeError(Lone("bad \ud800"))), "RuntimeError"),
    "half a permanent error": (throw(HalfError()), "HalfError"),
    "moody": (throw(MoodyLater()), "MoodyLater"),
    "nul in a code": (throw(RetryLater(1, "a\x00b", "\ud800")), "ab"),
    "exit": (throw(SystemExit(1)), "SystemExit"),
    "interrupt": (throw(KeyboardInterrupt()), "KeyboardInterrupt"),
    "generator exit": (throw(GeneratorExit()), "GeneratorExit"),
    "base exception": (throw(BaseException("base")), "BaseException"),
    "group": (throw(BaseExceptionGroup("g", [KeyboardInterrupt(), ValueError()])), "BaseExceptionGroup"),
    "group of groups": (throw(ExceptionGroup("g", [ExceptionGroup("h", [UnprintableError()])])), "ExceptionGroup"),
    "cancels itself": (throw(asyncio.CancelledError()), "cancelled_itself"),
    "huge text": (throw(RuntimeError("x" * 2_000_000)), "RuntimeError"),
    "recursion": (deep, "RecursionError"),
    "huge result": (lambda: "x" * 20_000_000, "result_too_large"),
    "nul in a result": (lambda: {"a": "\x00"}, "result_not_storable"),
    "surrogate in a result": (lambda: ["\ud800"], "result_not_storable"),
    "result that is no json": (lambda: msgspec.Raw(b"{nonsense"), "result_not_storable"),
    "deep result": (lambda: msgspec.Raw(b"[" * 100_000 + b"]" * 100_000), "result_not_storable"),
    "object": (object, "result_not_storable"),
}


@jobs.handler(Fail, attempts=1, backoff=Exponential(0.05))
async def fail(job: Fail, _: JobContext) -> object:
    return WAYS[job.way][0]()


@jobs.handler(Neighbour, attempts=1)
async def neighbour(_: Neighbour, __: JobContext) -> int:
    return 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("UPDATE accounts SET secret = 'sesame'", {"x": "sesame"}, NotNullViolation("sesame")), "23502"),
        (StatementError("sesame", "SELECT sesame", {"x": "sesame"}, ValueError("sesame")), "could not be used"),
        (NotNullViolation("DETAIL: sesame"), "23502"),
    ],
)
def test_error_of_the_database_shows_neither_statement_nor_values(error, said):
    shown = error_json("x", error)
    assert said in shown
    assert "sesame" not in shown


async def put(db: Database, *several: msgspec.Struct) -> list[UUID]:
    async with db.tenant(ORGANIZATION) as session:
        return [await enqueue(session, job, organization_id=ORGANIZATION) for job in several]


@pytest.mark.parametrize("way", WAYS)
async def test_a_job_ends_in_whatever_way_its_handler_fails(db, waker, working, reaches, way):
    before, failing, after = await put(db, Neighbour(), Fail(way), Neighbour())
    async with working(jobs=jobs):
        job = await reaches(failing, "failed")
        assert job.error is not None
        assert job.error.code == WAYS[way][1]
        assert len(job.error.message) <= 2000
        assert [(attempt.outcome, attempt.error) for attempt in job.attempts] == [("failed", job.error)]
        for other in (before, after, *await put(db, Neighbour())):
            assert (await reaches(other, "completed")).attempt == 1


async def test_a_result_may_come_to_a_mebibyte(db, waker, working, reaches):
    WAYS["just right"] = (lambda: "x" * (1024 * 1024 - 2), "")
    [job_id] = await put(db, Fail("just right"))
    async with working(jobs=jobs):
        assert len((await reaches(job_id, "completed")).result) == 1024 * 1024 - 2


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(1)], ids=["error", "exit"])
async def test_an_observer_that_raises_changes_nothing(db, waker, working, reaches, error):
    class Raising(JobObserver):
        def __getattribute__(self, name: str) -> object:
            if name.startswith("_"):
                return object.__getattribute__(self, name)

            def hook(*_: object, **__: object) -> None:
                raise error

            return hook

    failing, fine = await put(db, Fail("nul"), Neighbour())
    async with working(jobs=jobs, observer=Raising()):
        assert (await reaches(failing, "failed")).error.code == "RuntimeError"
        await reaches(fine, "completed")


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (float("inf"), 366 * 24 * 3600.0),
        (1e15, 366 * 24 * 3600.0),
        (10**400, 366 * 24 * 3600.0),
        (float("nan"), 0.0),
        (float("-inf"), 0.0),
        (-5, 0.0),
        ("soon", 0.0),
        (None, 0.0),
        (timedelta(minutes=1), 60.0),
        (7, 7.0),
    ],
)
def test_a_delay_is_brought_within_what_can_be_stored_where_it_is_asked_for(asked, kept):
    assert RetryLater(asked, "busy", "later").after == kept


async def test_jobs_are_listed_whatever_times_and_errors_are_stored(db, read):
    """Rows of versions that did not look: no reading of them may fail."""
    job_id, other = await put(db, Fail("nul"), Fail("nul"))
    async with db.psycopg.connection() as connection:
        await connection.execute(
            "UPDATE jobs SET run_at = 'infinity', started_at = '-infinity', queue = 'of-tomorrow', error = '[1]'"
            " WHERE id = %s",
            (job_id,),
        )
        await connection.execute("""UPDATE jobs SET error = '{"code": 5}' WHERE id = %s""", (other,))
    async with db.tenant(ORGANIZATION) as session:
        page = await list_jobs(session, limit=10)
    assert {job.id for job in page.items} == {job_id, other}
    job = await read(job_id)
    assert msgspec.json.decode(msgspec.json.encode(job))["run_at"].startswith("9999-12-31")
    assert job.started_at == datetime.min.replace(tzinfo=UTC)
    assert (await read(other)).error.code == "5"


REFUSE = """
    FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.id::text = '{poison}' AND NEW.status = 'completed' THEN
            RAISE EXCEPTION USING ERRCODE = 'XX000';
        END IF;
        RETURN NEW;
    END $$
"""


async def test_an_outcome_that_cannot_be_written_holds_up_no_other(db, waker, working, reaches):
    """A trigger refuses one job's outcome for a reason that is nobody's value; the rest of the batch is written."""
    poison, *others = await put(db, Neighbour(), Neighbour(), Neighbour())
    async with db.psycopg.connection() as connection:
        await connection.execute(
            f"CREATE {REFUSE.format(poison=poison)};"
            "CREATE TRIGGER refuse BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    try:
        async with working(jobs=jobs):
            for other in others:
                await reaches(other, "completed")
            async with db.psycopg.connection() as connection:
                await connection.execute("CREATE OR REPLACE " + REFUSE.format(poison=None))
            assert (await reaches(poison, "completed")).attempt == 1
    finally:
        async with db.psycopg.connection() as connection:
            await connection.execute("DROP FUNCTION refuse CASCADE")


async def test_statements_that_are_refused_end_no_worker_and_lose_no_outcome(db, waker, working, pulse, reaches):
    """The rights to the table are away for a moment: no outage by any list, and no fault of the jobs either."""
    from jobs_support import Steer  # noqa: PLC0415 - the steered jobs of the other tests, here alone

    held, waiting = await put(db, Steer("held", ("wait",)), Steer("waiting"))
    async with working(concurrency=1) as worker:
        await until(lambda: pulse.running == 1)
        async with db.psycopg.connection() as connection:
            await connection.execute("ALTER TABLE jobs RENAME TO jobs_away")
        try:
            pulse.gate.set()
            await until(lambda: pulse.running == 0)
            await until(lambda: len(worker._runner.outcomes) == 0)
        finally:
            async with db.psycopg.connection() as connection:
                await connection.execute("ALTER TABLE jobs_away RENAME TO jobs")
        assert (await reaches(held, "completed")).attempt == 1
        await reaches(waiting, "completed")
    assert pulse.ran == ["held", "waiting"]
