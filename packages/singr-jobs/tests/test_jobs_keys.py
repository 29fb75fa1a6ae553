"""A unique key is held by a job that has not ended, and by nothing else."""

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import psycopg
import pytest
from jobs_support import ORGANIZATION, Steer, jobs
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from singr_db import Database, grant, new_id
from singr_jobs import EnqueueError, Ingestion, Submission, enqueue


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


async def orphan(db: Database, holder: UUID) -> None:
    """What an earlier version left: a claim that belongs to no job that runs or waits."""
    await run(
        db,
        "INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id) VALUES (%s, 'test.steer', 'k', %s)",
        ORGANIZATION,
        holder,
    )


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


async def test_repeat_by_a_role_that_may_only_enqueue_leaves_the_key_free(database_url, db):
    await asyncio.to_thread(grant, database_url, "repeats")
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    own = new_id()
    await put(db, job_id=own)
    try:
        for expected in ({own}, None):
            async with AsyncSession(engine) as session, session.begin():
                await (await session.connection()).exec_driver_sql("SET LOCAL ROLE repeats")
                options: dict[str, Any] = {"job_id": own} if expected else {}
                made = await enqueue(session, Steer("a"), organization_id=ORGANIZATION, unique_key="k", **options)
            assert (made == own) is (expected is not None)
    finally:
        await engine.dispose()
        with psycopg.connect(database_url, autocommit=True) as admin:
            admin.execute("DROP OWNED BY repeats")
            admin.execute("DROP ROLE repeats")


@pytest.mark.parametrize("gone", [True, False], ids=["its job is gone", "its job has ended"])
async def test_enqueue_takes_over_what_an_earlier_version_left(db, gone):
    old = new_id()
    if not gone:
        await put(db, job_id=old)
        await end(db, old)
    await orphan(db, old)

    new = await put(db, unique_key="k")
    assert new != old
    assert await put(db, unique_key="k") == new


def submission(key: str, **options: Any) -> Submission:
    return Submission(
        job_type=jobs.named("test.steer"),
        payload=Steer("a"),
        organization_id=ORGANIZATION,
        credential="key-1",
        idempotency_key=key,
        method="POST",
        path="/v1/jobs",
        body_hash=hashlib.sha256(b"a").digest(),
        unique_key="k",
        **options,
    )


@pytest.mark.parametrize("gone", [True, False], ids=["its job is gone", "its job has ended"])
async def test_ingestion_takes_over_what_an_earlier_version_left(db, waker, gone):
    old = new_id()
    if not gone:
        await put(db, job_id=old)
        await end(db, old)
    await orphan(db, old)
    ingestion = Ingestion(db.psycopg, waker, intakes={})

    answers = await asyncio.gather(*(ingestion.submit(submission(f"k{number}")) for number in range(6)))
    assert sorted(answer.status for answer in answers) == [200] * 5 + [202]
    assert len({answer.job_id for answer in answers} - {old}) == 1


async def test_replay_of_an_own_id_after_the_end_leaves_the_key_free(db, waker):
    ingestion, own = Ingestion(db.psycopg, waker, intakes={}), new_id()
    await ingestion.submit(submission("one", job_id=own))
    await end(db, own)

    assert (await ingestion.submit(submission("one", job_id=own))).replayed
    assert (await run(db, "SELECT count(*) FROM job_unique_keys")) == [(0,)]
    assert (await ingestion.submit(submission("two"))).status == 202


async def test_a_sync_session_is_refused_before_any_statement(db):
    with Session() as session, pytest.raises(EnqueueError, match="needs an AsyncSession"):
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION)


async def test_a_connection_is_refused_before_any_statement(db):
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(EnqueueError, match=r"for an AsyncConnection, pass AsyncSession\(bind=connection\)"):
            await enqueue(await session.connection(), Steer("a"), organization_id=ORGANIZATION)
        await enqueue(session, Steer("a"), organization_id=ORGANIZATION)
    assert await run(db, "SELECT count(*) FROM jobs") == [(1,)]
