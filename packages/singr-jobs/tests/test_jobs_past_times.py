"""A time that has passed is now: nobody has waited, or goes before others, since before a job was there."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from jobs_support import ORGANIZATION, Steer, jobs, put, submission

from singr_db import Database
from singr_jobs import Flow, Ingestion, Waker, change_job, enqueue, enqueue_many
from singr_jobs.queues import read_queue
from singr_jobs.testing import InMemoryJobs

LONG_AGO = datetime(2020, 2, 29, tzinfo=UTC)
PAST: dict[str, Any] = {"organization_id": ORGANIZATION, "run_at": LONG_AGO}
Way = Callable[[Database, Ingestion], Awaitable[Any]]


@pytest.fixture
async def ingestion(db: Database, waker: Waker) -> AsyncIterator[Ingestion]:
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    yield ingestion
    await ingestion.close()


async def alone(db: Database, _: Ingestion) -> None:
    await put(db, "a", run_at=LONG_AGO)


async def with_a_key(db: Database, _: Ingestion) -> None:
    await put(db, "a", run_at=LONG_AGO, unique_key="a")


async def many(db: Database, _: Ingestion) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await enqueue_many(session, [Steer("a")], **PAST)


async def in_a_flow(db: Database, _: Ingestion) -> None:
    flow = Flow("past")
    flow.add(Steer("a"), run_at=LONG_AGO)
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, flow, organization_id=ORGANIZATION)


async def asked_for(db: Database, ingestion: Ingestion) -> None:
    answers = [await ingestion.submit(submission("k1", run_at=LONG_AGO)) for _ in range(2)]
    told, again = (msgspec.json.decode(answer.body) for answer in answers)
    assert told["run_at"] == told["created_at"]
    assert told == again, "the first answer is another one when it is given again"


async def moved(db: Database, _: Ingestion) -> None:
    job_id = await put(db, "a")
    async with db.platform() as session:
        await change_job(session, job_id, organization_id=ORGANIZATION, run_at=LONG_AGO)


@pytest.mark.parametrize("way", [alone, with_a_key, many, in_a_flow, asked_for, moved])
async def test_a_time_that_has_passed_makes_a_job_due_from_when_it_is_there(
    db: Database, ingestion: Ingestion, way: Way
) -> None:
    await way(db, ingestion)
    async with db.psycopg.connection() as connection:
        found = await connection.execute("SELECT jobs.run_at >= created_at, r.run_at = jobs.run_at"
                                         "  FROM jobs JOIN job_ready AS r USING (id)")  # fmt: skip
        assert await found.fetchall() == [(True, True)]
    async with db.platform() as session:
        standing = await read_queue(session, "default")
    assert standing.oldest_due_at is not None
    assert standing.oldest_due_at.year > LONG_AGO.year


async def test_a_time_that_has_passed_is_now_in_memory() -> None:
    memory = InMemoryJobs(jobs)
    await enqueue(memory, Steer("a"), **PAST)
    job_id = await enqueue(memory, Steer("b"), organization_id=ORGANIZATION)
    assert memory.all[0].run_at == memory.now
    await change_job(memory, job_id, organization_id=ORGANIZATION, run_at=LONG_AGO)
    assert memory.all[1].run_at == memory.now
