"""Accepting jobs from callers: one key one job, a nonce once, nothing half stored."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from jobs_support import submission, until

from singr_config.clock import clock as process_clock
from singr_db import Database, new_id
from singr_dev.clock import VirtualClock
from singr_jobs import (
    IdempotencyInProgressError,
    IdempotencyMismatchError,
    Ingestion,
    IntakeError,
    JobExistsError,
    Jobs,
    NonceReplayedError,
    Submission,
)
from singr_jobs.intake import _ingest

OTHER = UUID("01920000-0000-7000-8000-0000000000bb")


@pytest.fixture
async def ingestion(db: Database, waker) -> AsyncIterator[Ingestion]:
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    yield ingestion
    await ingestion.close()


async def count(db: Database, table: str) -> int:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(f"SELECT count(*) FROM {table}")
        return (await cursor.fetchone())[0]


async def test_accepted_job_is_committed_and_runs(db, ingestion, working, reaches):
    answer = await ingestion.submit(submission("k1"))
    view = msgspec.json.decode(answer.body)
    assert (answer.status, answer.replayed, view["status"]) == (202, False, "pending")
    async with working():
        await reaches(UUID(view["id"]), "completed")


async def test_one_key_a_hundred_times_at_once_makes_one_job_and_identical_answers(db, ingestion):
    answers = await asyncio.gather(*(ingestion.submit(submission("same")) for _ in range(100)))
    assert len({answer.body for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 99
    assert await count(db, "jobs") == 1


async def test_what_is_stored_at_once_is_bounded_in_bytes(db, waker, monkeypatch):
    """One statement takes 256 MiB at most, and then fails for all that share it."""
    monkeypatch.setattr(_ingest, "_MAX_BYTES", 100_000)
    ingestion, stored = Ingestion(db.psycopg, waker, intakes={}), []
    insert = ingestion._insert

    async def counted(connection, batch):
        stored.append(sum(len(bytes(one.row.payload)) for one in batch))
        return await insert(connection, batch)

    monkeypatch.setattr(ingestion, "_insert", counted)
    await asyncio.gather(*(ingestion.submit(submission(f"k{number}", "x" * 15_000)) for number in range(30)))
    assert await count(db, "jobs") == 30
    assert max(stored) <= 100_000
    assert len(stored) <= 10


async def test_same_key_through_two_processes_makes_one_job(db, ingestion, waker):
    other = Ingestion(db.psycopg, waker, intakes={})
    keys = [f"k{number}" for number in range(200)]
    first, second = await asyncio.gather(
        asyncio.gather(*(ingestion.submit(submission(key)) for key in keys)),
        asyncio.gather(*(other.submit(submission(key)) for key in reversed(keys))),
    )
    assert [a.body for a in first] == [a.body for a in reversed(second)]
    assert await count(db, "jobs") == len(keys)


async def test_key_with_another_body_is_refused_and_stores_nothing(db, ingestion):
    await ingestion.submit(submission("k1", "a"))
    with pytest.raises(IdempotencyMismatchError):
        await ingestion.submit(submission("k1", "b"))
    assert await count(db, "jobs") == 1


async def test_another_organizations_key_is_another_key(db, ingestion):
    mine = await ingestion.submit(submission("k1"))
    theirs = await ingestion.submit(submission("k1", organization_id=OTHER))
    assert not theirs.replayed
    assert msgspec.json.decode(mine.body)["id"] != msgspec.json.decode(theirs.body)["id"]


async def test_nonce_is_accepted_once_also_among_requests_that_arrive_together(db, ingestion):
    results = await asyncio.gather(
        *(ingestion.submit(submission(f"k{number}", nonce="n" * 20)) for number in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, NonceReplayedError) for result in results) == 9
    assert await count(db, "jobs") == 1
    with pytest.raises(NonceReplayedError):
        await ingestion.submit(submission("later", nonce="n" * 20))
    assert await count(db, "request_keys") == 1


@pytest.mark.parametrize("ahead", [3600, -3600], ids=["ahead", "behind"])
@pytest.mark.parametrize("delay", [None, 600.0], ids=["at once", "delayed"])
async def test_a_hosts_clock_an_hour_off_changes_no_due_time(db, ingestion, ahead, delay):
    with process_clock.moved(lambda: ahead * 10**9):
        await ingestion.submit(submission("k1", delay=delay))

    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(
            "SELECT run_at - created_at, created_at BETWEEN now() - interval '5 minutes' AND now() FROM jobs"
        )
        assert await cursor.fetchone() == (timedelta(seconds=delay or 0), True)


async def test_what_a_delayed_job_was_answered_is_what_is_stored(db, ingestion):
    answer = msgspec.json.decode((await ingestion.submit(submission("k1", delay=600.25))).body)

    async with db.psycopg.connection() as connection:
        [(run_at, created_at)] = await (await connection.execute("SELECT run_at, created_at FROM jobs")).fetchall()
    assert (run_at, created_at) == tuple(datetime.fromisoformat(answer[name]) for name in ("run_at", "created_at"))


async def test_expired_key_is_free_again(clock: VirtualClock, db, ingestion):
    first = await ingestion.submit(submission("k1"))
    clock.advance(hours=47)
    assert (await ingestion.submit(submission("k1"))).body == first.body
    clock.advance(hours=1)
    second = await ingestion.submit(submission("k1", "other"))
    assert not second.replayed
    assert second.body != first.body
    assert (await ingestion.submit(submission("k1", "other"))).body == second.body


async def test_unique_key_answers_the_job_that_holds_it(db, ingestion):
    first = await ingestion.submit(submission("k1", unique_key="venue-1"))
    second = await ingestion.submit(submission("k2", unique_key="venue-1"))
    assert (first.status, second.status) == (202, 200)
    assert msgspec.json.decode(second.body)["id"] == msgspec.json.decode(first.body)["id"]
    assert (await ingestion.submit(submission("k2", unique_key="venue-1"))).replayed
    assert await count(db, "jobs") == 1


async def test_unique_key_taken_by_many_at_once_makes_one_job(db, ingestion):
    answers = await asyncio.gather(
        *(ingestion.submit(submission(f"k{number}", unique_key="venue-1")) for number in range(8))
    )
    assert len({msgspec.json.decode(answer.body)["id"] for answer in answers}) == 1
    assert await count(db, "jobs") == 1


async def test_own_id_is_used_once(db, ingestion):
    own = new_id()
    answer = await ingestion.submit(submission("k1", job_id=own))
    assert msgspec.json.decode(answer.body)["id"] == str(own)
    assert (await ingestion.submit(submission("k1", job_id=own))).replayed
    with pytest.raises(JobExistsError):
        await ingestion.submit(submission("k2", job_id=own))
    assert await count(db, "jobs") == 1


async def test_own_id_taken_by_many_at_once_makes_one_job(db, ingestion):
    own = new_id()
    results = await asyncio.gather(
        *(ingestion.submit(submission(f"k{number}", job_id=own)) for number in range(8)), return_exceptions=True
    )
    assert sum(isinstance(result, JobExistsError) for result in results) == 7
    assert await count(db, "jobs") == 1


class Ask(msgspec.Struct, frozen=True):
    text: str


class Stored(msgspec.Struct, frozen=True, tag="test.stored"):
    note_id: UUID


class Note(msgspec.Struct, frozen=True):
    id: UUID
    text: str


class NoteIntake:
    """Stores the text apart, and the job with its id."""

    insert = """
        INSERT INTO notes SELECT id, text FROM jsonb_to_recordset({rows}::jsonb) AS row (id uuid, text text)"""

    def prepare(self, request: Ask, *, job_id, organization_id, correlation_id) -> tuple[Stored, Note]:
        if request.text == "bad":
            raise IntakeError("text", "must not be bad")
        return Stored(job_id), Note(job_id, request.text)


noted = Jobs()


@noted.handler(Stored, request=Ask)
async def keep(job: Stored, context: object) -> None:
    """Does nothing: these jobs are never run."""


@pytest.fixture
async def noting(db: Database, waker) -> AsyncIterator[Ingestion]:
    async with db.psycopg.connection() as connection:
        await connection.execute("CREATE TABLE notes (id uuid PRIMARY KEY, text text CHECK (text <> 'crash'))")
    ingestion = Ingestion(db.psycopg, waker, intakes={Stored: NoteIntake()})
    yield ingestion
    await ingestion.close()
    async with db.psycopg.connection() as connection:
        await connection.execute("DROP TABLE notes")


def note(key: str, text: str) -> Submission:
    asked = submission(key, text)
    asked.job_type, asked.payload = noted.named("test.stored"), Ask(text)
    return asked


async def test_companion_rows_commit_with_their_jobs_and_only_for_winners(db, noting):
    answers = await asyncio.gather(*(noting.submit(note(f"k{number % 5}", f"t{number % 5}")) for number in range(20)))
    assert sum(not answer.replayed for answer in answers) == 5
    assert await count(db, "notes") == await count(db, "jobs") == 5
    assert msgspec.json.decode(answers[0].body)["payload"].keys() == {"type", "note_id"}


async def test_companion_that_cannot_be_written_takes_the_job_with_it(db, noting):
    with pytest.raises(psycopg.errors.CheckViolation):
        await noting.submit(note("k1", "crash"))
    assert await count(db, "jobs") == await count(db, "request_keys") == 0


async def test_one_that_cannot_be_stored_takes_no_neighbour_with_it(db, noting):
    results = await asyncio.gather(
        *(noting.submit(note(f"k{number}", "crash" if number == 3 else "fine")) for number in range(8)),
        return_exceptions=True,
    )
    assert [isinstance(result, psycopg.errors.CheckViolation) for result in results] == [n == 3 for n in range(8)]
    assert await count(db, "jobs") == await count(db, "notes") == 7


async def test_refused_payload_stores_nothing(db, noting):
    with pytest.raises(IntakeError, match="text: must not be bad"):
        await noting.submit(note("k1", "bad"))
    assert await count(db, "request_keys") == 0


# At the end of each transaction that stores a key, inside its COMMIT; every second one gets through.
CUT_COMMITS = """
CREATE SEQUENCE commits;
CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF nextval('commits') % 2 = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON request_keys DEFERRABLE INITIALLY DEFERRED
   FOR EACH ROW EXECUTE FUNCTION cut();
"""


@pytest.fixture
async def cut_commits(db: Database) -> AsyncIterator[None]:
    async with db.psycopg.connection() as connection:
        await connection.execute(CUT_COMMITS)
    yield
    async with db.psycopg.connection() as connection:
        await connection.execute("DROP FUNCTION cut CASCADE")
        await connection.execute("DROP SEQUENCE commits")


@pytest.mark.usefixtures("cut_commits")
async def test_commit_cut_off_and_retried_with_the_same_key_makes_one_job(db, ingestion):
    """R9: the server ends the connection while it commits; what the caller retries is stored once."""
    for number in range(20):
        with pytest.raises(psycopg.OperationalError):
            await ingestion.submit(submission(f"k{number}"))
        assert await count(db, "jobs") == number
        assert not (await ingestion.submit(submission(f"k{number}"))).replayed
    assert await count(db, "jobs") == await count(db, "request_keys") == 20


async def test_callers_that_go_away_leave_no_connection_behind(db, ingestion):
    """R16 in short: requests cancelled in flight."""
    for _ in range(60):
        tasks = [asyncio.create_task(ingestion.submit(submission(uuid4().hex))) for _ in range(10)]
        await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await ingestion.submit(submission("last"))

    async def none_idle() -> bool:
        return (
            await count(db, "pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()")
            == 0
        )

    await until(none_idle, within=5.0)
    assert await count(db, "jobs") == await count(db, "request_keys")


REFUSALS = {
    "key is stored by others at every try": ("23505", "request_keys", IdempotencyInProgressError),
    "nonce is stored by others at every try": ("23505", "request_marks", IdempotencyInProgressError),
    "undone at every try": ("40P01", "", psycopg.errors.DeadlockDetected),
    "no matter of keys": ("23505", "jobs", psycopg.errors.UniqueViolation),
}


@pytest.mark.parametrize(("state", "table", "told"), REFUSALS.values(), ids=REFUSALS)
async def test_what_is_refused_at_every_try_is_told_in_words_where_keys_are_why(db, ingestion, state, table, told):
    async with db.psycopg.connection() as connection:
        await connection.execute(f"""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'refused' USING ERRCODE = '{state}', TABLE = '{table}'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON request_keys EXECUTE FUNCTION refuse()
        """)
    try:
        with pytest.raises(told):
            await ingestion.submit(submission("k"))
    finally:
        async with db.psycopg.connection() as connection:
            await connection.execute("DROP FUNCTION refuse CASCADE")
    assert await count(db, "jobs") == await count(db, "request_keys") == await count(db, "request_marks") == 0
    assert (await ingestion.submit(submission("k"))).status == 202
