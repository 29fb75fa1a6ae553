"""A unique key is held by a job that has not ended, and by nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, jobs, submission, take_by_hand
from sqlalchemy import event
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from singr_db import Database, new_id
from singr_db.ending import SETTLE, UNFINISHED
from singr_db.tables import JobStatus
from singr_jobs import EnqueueError, Ingestion, enqueue, enqueue_many, retry_job
from singr_jobs.chores._forget_unique_keys import ForgetUniqueKeys
from singr_jobs.testing import InMemoryJobs


async def put(db: Database, **options: Any) -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        return await enqueue(session, Steer("a"), organization_id=ORGANIZATION, **options)


async def run(db: Database, statement: str, *values: Any) -> list[Any]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []


async def end(db: Database, job_id: UUID) -> None:
    """The job has ended, and has let go of its key, as a worker does it."""
    await run(db, "UPDATE jobs SET status = 'completed', finished_at = now() WHERE id = %s", job_id)
    await run(db, "DELETE FROM job_unique_keys WHERE job_id = %s", job_id)


async def drop_partition(db: Database) -> None:
    """What an administrator does with old work, or retention."""
    await run(db, "DROP TABLE jobs_long_ago")


async def delete(db: Database) -> None:
    await run(db, "DELETE FROM jobs")


async def fail_by_hand(db: Database) -> None:
    await run(db, "UPDATE jobs SET status = 'failed', finished_at = now()")


WAYS_TO_GO = {"its partition dropped": drop_partition, "deleted": delete, "ended by hand": fail_by_hand}


@pytest.fixture
async def old(db: Database, long_ago: UUID) -> UUID:
    """The id of a job that waits and holds the key `k`, in the partition `jobs_long_ago`."""
    return await put(db, job_id=long_ago, unique_key="k")


@pytest.mark.parametrize("first", [{"unique_key": "k"}, {}], ids=["key from the start", "key on the repeat only"])
async def test_repeat_after_the_end_leaves_the_key_free(db, first):
    own = new_id()
    await put(db, job_id=own, **first)
    await end(db, own)

    assert await put(db, job_id=own, unique_key="k") == own
    assert await put(db, unique_key="k") != own
    assert len(await run(db, "SELECT id FROM jobs")) == 2


async def test_repeat_while_it_waits_holds_no_second_key(db):
    own = new_id()
    await put(db, job_id=own, unique_key="first")

    assert await put(db, job_id=own, unique_key="second") == own
    assert await put(db, job_id=own, unique_key="first") == own
    assert await put(db, unique_key="second") != own


async def test_repeat_within_the_callers_savepoint_and_transaction_undoes_nothing_else(db):
    own = new_id()
    await put(db, job_id=own)
    async with db.tenant(ORGANIZATION) as session:
        before = await enqueue(session, Steer("before"), organization_id=ORGANIZATION)
        async with session.begin_nested():
            within = await enqueue(session, Steer("within"), organization_id=ORGANIZATION)
            assert await enqueue(session, Steer("a"), organization_id=ORGANIZATION, job_id=own, unique_key="k") == own
        after = await enqueue(session, Steer("after"), organization_id=ORGANIZATION, unique_key="k")

    assert {row[0] for row in await run(db, "SELECT id FROM jobs")} == {own, before, within, after}


@pytest.fixture
def enqueuer(enqueuer_session) -> Callable[..., Awaitable[UUID]]:
    async def put_by_it(**options: Any) -> UUID:
        async with enqueuer_session() as session:
            return await enqueue(session, Steer("a"), organization_id=ORGANIZATION, **options)

    return put_by_it


async def test_repeat_by_a_role_that_may_only_enqueue_leaves_the_key_free(db, enqueuer):
    own = new_id()
    await put(db, job_id=own)

    assert await enqueuer(job_id=own, unique_key="k") == own
    assert await enqueuer(unique_key="k") != own


@pytest.mark.parametrize("go", WAYS_TO_GO.values(), ids=WAYS_TO_GO)
async def test_key_is_free_however_its_job_went(db, old, go):
    await go(db)

    new = await put(db, unique_key="k")
    assert new != old
    assert await put(db, unique_key="k") == new
    assert await run(db, "SELECT status FROM jobs WHERE id = %s", new) == [("pending",)]


@pytest.mark.parametrize("go", WAYS_TO_GO.values(), ids=WAYS_TO_GO)
async def test_key_is_free_for_a_role_that_may_only_enqueue_however_its_job_went(db, old, enqueuer, go):
    assert await enqueuer(unique_key="k") == old
    await go(db)

    new = await enqueuer(unique_key="k")
    assert new != old
    assert await enqueuer(unique_key="k") == new
    assert await run(db, "SELECT status FROM jobs WHERE id = %s", new) == [("pending",)]


async def test_key_of_a_job_that_is_gone_asked_for_by_many_at_once_makes_one_job(db, old):
    await drop_partition(db)

    answers = await asyncio.gather(*(put(db, unique_key="k") for _ in range(8)))
    assert [(answers[0],)] == await run(db, "SELECT id FROM jobs")
    assert set(answers) == {answers[0]}


async def test_key_asked_for_by_many_at_once_makes_one_job(db):
    answers = await asyncio.gather(*(put(db, unique_key="k") for _ in range(8)))
    assert [(answers[0],)] == await run(db, "SELECT id FROM jobs")
    assert set(answers) == {answers[0]}


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.PROCESSING])
async def test_key_is_held_in_exactly_the_states_in_which_a_job_has_not_ended(db, status):
    """Migration 0017 writes them down once more."""
    first = await put(db, unique_key="k")
    await run(db, "UPDATE jobs SET status = %s", status.value)

    assert (await put(db, unique_key="k") == first) is (f"'{status.value}'" in UNFINISHED)


async def test_key_and_job_are_made_by_one_statement(db):
    """So whoever holds the key for others has the job as well."""
    seen: list[str] = []
    async with db.tenant(ORGANIZATION) as session:
        event.listen(
            (await session.connection()).sync_connection,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, *_: seen.append(statement),
        )
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION, unique_key="k")

    assert len(seen) == 1
    assert "job_unique_keys" in seen[0]


async def test_another_organizations_key_is_not_forgotten_for_one_who_may_not_take_it(db, old):
    await drop_partition(db)
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with db.tenant(new_id()) as session:
            await (await session.connection()).exec_driver_sql(
                "INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id) VALUES (%s, %s, 'k', %s)",
                (ORGANIZATION, "test.steer", new_id()),
            )
    assert await run(db, "SELECT job_id FROM job_unique_keys") == [(old,)]


@pytest.mark.parametrize("go", WAYS_TO_GO.values(), ids=WAYS_TO_GO)
async def test_ingestion_finds_a_key_free_however_its_job_went(db, waker, old, go):
    await go(db)
    ingestion = Ingestion(db.psycopg, waker, intakes={})

    answers = await asyncio.gather(*(ingestion.submit(submission(f"k{number}", unique_key="k")) for number in range(6)))
    assert sorted(answer.status for answer in answers) == [200] * 5 + [202]
    assert len({answer.job_id for answer in answers} - {old}) == 1


async def test_holder_is_answered_whatever_times_queue_and_error_are_stored(db, waker):
    """Rows of versions that did not look."""
    holder = await put(db, unique_key="k")
    await run(db, "UPDATE jobs SET run_at = 'infinity', started_at = '-infinity', queue = 'of-tomorrow', error = '[1]'")

    answer = await Ingestion(db.psycopg, waker, intakes={}).submit(submission("one", unique_key="k"))
    assert (answer.status, answer.job_id) == (200, holder)
    shown = msgspec.json.decode(answer.body)
    assert (shown["run_at"][:10], shown["queue"], shown["status"]) == ("9999-12-31", "of-tomorrow", "pending")


async def test_replay_of_an_own_id_after_the_end_leaves_the_key_free(db, waker):
    ingestion, own = Ingestion(db.psycopg, waker, intakes={}), new_id()
    await ingestion.submit(submission("one", unique_key="k", job_id=own))
    await end(db, own)

    assert (await ingestion.submit(submission("one", unique_key="k", job_id=own))).replayed
    assert (await run(db, "SELECT count(*) FROM job_unique_keys")) == [(0,)]
    assert (await ingestion.submit(submission("two", unique_key="k"))).status == 202


async def test_a_sync_session_is_refused_before_any_statement(db):
    with Session() as session, pytest.raises(EnqueueError, match="needs an AsyncSession"):
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION)


async def test_a_connection_is_refused_before_any_statement(db):
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(EnqueueError, match=r"for an AsyncConnection, pass AsyncSession\(bind=connection\)"):
            await enqueue(await session.connection(), Steer("a"), organization_id=ORGANIZATION)
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION)
    assert await run(db, "SELECT count(*) FROM jobs") == [(1,)]


DAY = 86_400.0


async def fail(db: Database, job_id: UUID) -> None:
    """It fails for good, as a worker settles it: its key is held for as long as it was to be."""
    given = {"statuses": ["failed"], "outcomes": ["failed"], "errors": ["{}"], "delays": [0.0], "holding": "{}"}
    await take_by_hand(db, job_id, token=7)
    given |= {"ids": "{" + job_id.hex + "}", "tokens": [7], "spent": [7], "worker": "w"}
    async with db.psycopg.connection() as connection:
        await connection.execute(SETTLE.followed, given)


async def test_key_held_for_a_time_is_held_once_its_job_has_ended_and_no_longer(db):
    held = await put(db, unique_key="k", unique_for=DAY)
    await fail(db, held)
    assert await put(db, unique_key="k") == held
    assert await put(db, unique_key="k", replace=True) == held

    await run(db, "UPDATE job_unique_keys SET until = now()")
    assert await put(db, unique_key="k") != held


async def test_key_whose_time_is_over_is_held_until_its_job_ends(db):
    held = await put(db, unique_key="k", unique_for=DAY)
    await run(db, "UPDATE job_unique_keys SET until = now()")
    assert await put(db, unique_key="k") == held
    await fail(db, held)
    assert await run(db, "SELECT 1 FROM job_unique_keys") == []


async def test_keys_of_many_are_held_for_a_time_each(db):
    async with db.tenant(ORGANIZATION) as session:
        jobs = [Steer(name) for name in "ab"]
        held = await enqueue_many(
            session, jobs, organization_id=ORGANIZATION, unique_key=lambda job: job.name, unique_for=DAY
        )
    for job_id in held:
        await fail(db, job_id)
    assert [await put(db, unique_key=key) for key in "ab"] == held


async def test_job_that_holds_its_own_key_for_a_time_is_tried_again(db):
    held = await put(db, unique_key="k", unique_for=DAY)
    await fail(db, held)
    async with db.platform() as session:
        await retry_job(session, held, organization_id=ORGANIZATION)
    await end(db, held)
    assert await run(db, "SELECT 1 FROM job_unique_keys") == []


async def test_time_of_a_key_outlives_a_retry(db):
    held = await put(db, unique_key="k", unique_for=DAY)
    until = await run(db, "SELECT until FROM job_unique_keys")
    await fail(db, held)
    async with db.platform() as session:
        await retry_job(session, held, organization_id=ORGANIZATION)
    assert await run(db, "SELECT until FROM job_unique_keys") == until


@pytest.mark.parametrize("go", [drop_partition, delete], ids=["its partition dropped", "deleted"])
async def test_key_is_held_by_no_job_that_is_gone_whatever_its_time(db, long_ago, go):
    old = await put(db, job_id=long_ago, unique_key="k", unique_for=DAY)
    await go(db)
    assert await put(db, unique_key="k") != old


async def test_role_that_may_only_enqueue_holds_a_key_for_a_day_at_most(db, enqueuer_session):
    async with enqueuer_session() as session:
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION, unique_key="k", unique_for=DAY)
        await (await session.connection()).exec_driver_sql(
            "INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id, until)"
            " VALUES (%s, 'test.steer', 'l', %s, 'infinity')",
            (ORGANIZATION, new_id()),
        )
    assert await run(db, "SELECT 1 FROM job_unique_keys WHERE until > now() + interval '1 day'") == []
    assert len(await run(db, "SELECT 1 FROM job_unique_keys WHERE until > now()")) == 2


async def test_keys_whose_time_is_over_are_forgotten_and_those_of_unfinished_jobs_kept(db):
    ended, waits = [await put(db, unique_key=key, unique_for=DAY) for key in "ew"]
    await fail(db, ended)
    await run(db, "UPDATE job_unique_keys SET until = now()")
    await ForgetUniqueKeys(db).work()
    assert await run(db, "SELECT job_id, until FROM job_unique_keys") == [(waits, None)]


async def test_caller_is_answered_with_the_ended_job_that_holds_a_key_for_a_time(db, waker):
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    made = await ingestion.submit(submission("one", unique_key="k", unique_for=DAY))
    await fail(db, made.job_id)
    found = await ingestion.submit(submission("two", unique_key="k", unique_for=DAY))
    assert (found.status, found.job_id) == (200, made.job_id)
    assert msgspec.json.decode(found.body)["status"] == "failed"


async def test_keys_of_jobs_in_memory_are_held_for_a_time():
    memory = InMemoryJobs(jobs, resources={Pulse: Pulse()})
    options: dict[str, Any] = {"organization_id": ORGANIZATION, "unique_key": "k", "unique_for": 60}
    held = await enqueue(memory, Steer("a"), **options)
    await memory.run_due()
    memory.advance(59)
    assert await enqueue(memory, Steer("a"), **options) == held
    memory.advance(1)
    assert await enqueue(memory, Steer("a"), **options) != held
