"""What a role of `singr-db grant` writes with SQL of its own harms nobody: it may only enqueue."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from jobs_support import ORGANIZATION, Steer, put, submission, until

from singr_db import Database, grant, new_id
from singr_jobs import Ingestion, NameInUseError, enqueue
from singr_jobs.intake._turns import Turns, TurnTakenError

OTHER = UUID("01920000-0000-7000-8000-0000000000bb")
INSERT = """
INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout, unique_key, run_at,
                  created_at, correlation_id, traceparent)
VALUES (%(id)s, %(organization_id)s, %(type)s, %(queue)s, '{}', %(max_attempts)s, %(backoff)s, %(timeout)s,
        %(unique_key)s, %(run_at)s, %(created_at)s, %(correlation_id)s, %(traceparent)s)
"""
LABELLED = INSERT.replace(" traceparent)", " traceparent, labels)").replace("parent)s)", "parent)s, %(labels)s)")
CLAIM = "INSERT INTO job_unique_keys VALUES (%s, %s, %s, %s)"


def row(**values: Any) -> dict[str, Any]:
    """A job as any service writes it, but for these columns."""
    return {
        "id": new_id(),
        "organization_id": ORGANIZATION,
        "type": "test.steer",
        "queue": "default",
        "max_attempts": 3,
        "backoff": 2.0,
        "timeout": 60.0,
        "unique_key": None,
        "run_at": "2026-11-27T12:00Z",
        "created_at": "2026-11-27T12:00Z",
        "correlation_id": None,
        "traceparent": None,
    } | values


@pytest.fixture
async def hostile(database_url: str, db: Database) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A connection of a service that may only enqueue, in autocommit."""
    role = f"hostile_{new_id().hex}"  # a role is the server's, which other tests use at the same time
    await asyncio.to_thread(grant, database_url, role)
    connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
    await connection.execute(f"SET ROLE {role}")
    yield connection
    await connection.close()
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"DROP OWNED BY {role}")
        admin.execute(f"DROP ROLE {role}")


REFUSED = {
    "queue of 12,000 characters": {"queue": "q" * 12_000},
    "queue of 41 characters": {"queue": "q" * 41},
    "queue in capitals": {"queue": "Default"},
    "queue with a line feed": {"queue": "default\n"},
    "queue of nothing": {"queue": ""},
    "type of 12,000 characters": {"type": "t" * 12_000},
    "type with a control character": {"type": "test.\x1bsteer"},
    "attempts without number": {"max_attempts": 32_767},
    "backoff of nothing": {"backoff": 0.0},
    "backoff that is no number": {"backoff": float("nan")},
    "backoff without end": {"backoff": float("inf")},
    "timeout that is no number": {"timeout": float("nan")},
    "timeout without end": {"timeout": float("inf")},
    "unique key of 256 characters": {"unique_key": "k" * 256},
    "due never": {"run_at": "infinity"},
    "due before all times": {"run_at": "4713-01-01 BC"},
    "made never": {"created_at": "infinity"},
    "made before all times": {"created_at": "-infinity"},
    "correlation id of 20 MB": {"correlation_id": "c" * 20_000_000},
    "traceparent of 20 MB": {"traceparent": "c" * 20_000_000},
}


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED)
async def test_job_that_no_declaration_would_allow_is_refused_by_its_column(hostile, wrong):
    [column] = wrong
    with pytest.raises(psycopg.errors.CheckViolation, match=f"a job's {column} must be") as refused:
        await hostile.execute(INSERT, row(**wrong))
    assert (refused.value.diag.table_name, refused.value.diag.column_name) == ("jobs", column)


async def test_labels_that_no_caller_may_give_are_refused(hostile, db):
    for labels in (
        *([], [""], ["x" * 65], ["a", "b", "a"], ["a\nb"], ["a\nb", None], [None], [["a"], ["b"]]),
        *([f"l{n}" for n in range(11)], ["a", "\x1b[2J"], ["a\tb"], ["\u202eb"], ["a\x9f", "b"], ["a\u2028b"]),
        ["x" * 10_000_000],
    ):
        with pytest.raises(psycopg.errors.CheckViolation, match="a job's labels must be 1 to 10 different texts"):
            await hostile.execute(LABELLED, row(labels=labels))
    for labels in (["ab", "a", "b"], ["u0041", "\\", "é"], [f"{n}" + "ä" * 63 for n in range(10)]):
        await hostile.execute(LABELLED, row(labels=labels))


LARGEST = {
    "queue": "a" * 38 + "-b",
    "type": "t" * 100,
    "max_attempts": 100,
    "backoff": 31_622_400.0,
    "timeout": 86_400.0,
    "unique_key": "ä" * 255,
    "run_at": "9999-12-31T23:59:59.999999Z",
    "created_at": "0001-01-01T00:00Z",
    "correlation_id": "c" * 128,
    "traceparent": "c" * 128,
}


async def test_job_at_every_bound_is_stored(hostile, db):
    await hostile.execute(INSERT, row(**LARGEST))
    async with db.psycopg.connection() as connection:
        assert await (await connection.execute("SELECT queue FROM jobs")).fetchall() == [(LARGEST["queue"],)]


async def test_job_from_before_the_bounds_can_still_be_written(db):
    """The owner is held by none of them: jobs of old releases end, and move with their partitions."""
    async with db.psycopg.connection() as connection:
        await connection.execute(INSERT, row(type="of old", timeout=float("inf")))
        done = await connection.execute("UPDATE jobs SET status = 'completed', finished_at = now()")
    assert done.rowcount == 1


FOREIGN = {"of another organization": (OTHER, "test.steer"), "of another type": (ORGANIZATION, "test.later")}


@pytest.fixture(params=FOREIGN.values(), ids=FOREIGN)
async def claimed(request, db, hostile) -> UUID:
    """A waiting job of another's, which the service claims to hold the key `k` of our type."""
    job = row(organization_id=request.param[0], type=request.param[1])
    async with db.psycopg.connection() as connection:
        await connection.execute(INSERT, job)
    await hostile.execute(CLAIM, (ORGANIZATION, "test.steer", "k", job["id"]))
    return job["id"]


async def test_claim_of_a_job_of_anothers_shows_that_job_to_no_caller(db, waker, claimed):
    answer = await Ingestion(db.psycopg, waker, intakes={}).submit(submission("one", unique_key="k"))
    assert (answer.status, answer.job_id == claimed) == (202, False)


async def test_claim_of_a_job_of_anothers_holds_no_key(db, claimed):
    assert await put(db, unique_key="k") != claimed


async def test_claim_does_not_tell_whether_a_job_of_anothers_is_there(hostile, claimed):
    claim = await hostile.execute(
        f"{CLAIM} ON CONFLICT DO NOTHING RETURNING job_id", (ORGANIZATION, "test.steer", "k", mine := new_id())
    )
    assert await claim.fetchall() == [(mine,)]


async def test_claim_of_its_own_job_holds_the_key(db, hostile):
    async with db.tenant(ORGANIZATION) as session:
        held = await enqueue(session, Steer("a"), organization_id=ORGANIZATION, unique_key="k")
    claim = await hostile.execute(f"{CLAIM} ON CONFLICT DO NOTHING", (ORGANIZATION, "test.steer", "k", new_id()))
    assert claim.rowcount == 0
    assert await put(db, unique_key="k") == held


@pytest.fixture
async def held(hostile) -> AsyncIterator[UUID]:
    """The id of a job that the service stores with the key `k`, in a transaction which it leaves open."""
    job = row(unique_key="k")
    async with hostile.transaction(force_rollback=True):
        await hostile.execute(CLAIM, (ORGANIZATION, "test.steer", "k", job["id"]))
        await hostile.execute(INSERT, job)
        yield job["id"]


@pytest.mark.parametrize("names", [["k"] * 14, [f"k{number}" for number in range(14)]], ids=["one", "many"])
async def test_keys_in_an_open_transaction_leave_the_lane_its_connections(db, waker, hostile, names):
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    async with hostile.transaction(force_rollback=True):
        for name in dict.fromkeys(names):
            await hostile.execute(CLAIM, (ORGANIZATION, "test.steer", name, new_id()))
        asked = [ingestion.submit(submission(f"a{number}", unique_key=name)) for number, name in enumerate(names)]
        others = [ingestion.submit(submission("plain")), ingestion.submit(submission("other", unique_key="o"))]
        *answers, plain, other = await asyncio.gather(*asked, *others, return_exceptions=True)

    assert [getattr(answer, "status", answer) for answer in (plain, other)] == [202, 202]
    assert {type(answer) for answer in answers} == {NameInUseError}


async def test_own_id_in_an_open_transaction_is_answered_as_in_use(db, waker, held):
    with pytest.raises(NameInUseError):
        await Ingestion(db.psycopg, waker, intakes={}).submit(submission("one", job_id=held))


async def test_key_is_free_a_moment_after_the_transaction_that_held_it_is_undone(db, waker, hostile):
    ingestion = Ingestion(db.psycopg, waker, intakes={})

    async def stored() -> bool:
        try:
            return (await ingestion.submit(submission("one", unique_key="k"))).status == 202
        except NameInUseError:
            return False

    async with hostile.transaction(force_rollback=True):
        await hostile.execute(CLAIM, (ORGANIZATION, "test.steer", "k", new_id()))
        assert not await stored()
    await until(stored)


async def test_turn_of_another_process_is_waited_for_and_is_no_open_transaction_on_the_name(db, waker, monkeypatch):
    ingestion, tried = Ingestion(db.psycopg, waker, intakes={}), asyncio.Event()
    take_turn = Turns.transaction

    @asynccontextmanager
    async def counted(connection: psycopg.AsyncConnection[Any], name: Hashable) -> AsyncIterator[None]:
        try:
            async with take_turn(connection, name):
                yield
        except TurnTakenError:
            tried.set()
            raise

    async with db.psycopg.connection() as other, Turns.transaction(other, (ORGANIZATION, "test.steer", "k")):
        monkeypatch.setattr(Turns, "transaction", staticmethod(counted))
        asked = asyncio.create_task(ingestion.submit(submission("one", unique_key="k")))
        await asyncio.wait_for(tried.wait(), 15)
    assert (await asked).status == 202
    assert (await ingestion.submit(submission("two", unique_key="k"))).status == 200
