"""What names a job by its id may outlive it, when its partition is dropped: nothing then answers for it wrongly."""

import math
from typing import Any

import pytest
from jobs_support import ORGANIZATION, Steer, submission, take_by_hand

from singr_db import Database
from singr_db.ending import LOSE
from singr_jobs import Ingestion, JobGoneError, JobNotFoundError, enqueue
from singr_jobs.running._endings import error_json


async def run(db: Database, statement: str, **values: Any) -> list[Any]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize("unique_key", [None, "k"], ids=["plain", "with a unique key"])
async def test_repeat_of_a_request_whose_job_is_gone_is_told_so_and_makes_none(db, waker, long_ago, read, unique_key):
    """Its caller learns that it was accepted, and of the job itself that it is no more."""
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    await ingestion.submit(submission("one", job_id=long_ago, unique_key=unique_key))
    await run(db, "DROP TABLE jobs_long_ago")

    with pytest.raises(JobGoneError, match="no longer exists"):
        await ingestion.submit(submission("one", job_id=long_ago, unique_key=unique_key))
    assert await run(db, "SELECT id FROM jobs") == []
    with pytest.raises(JobNotFoundError):
        await read(long_ago)
    assert (await ingestion.submit(submission("two", unique_key=unique_key))).status == 202


async def test_another_request_may_use_the_id_of_a_job_that_is_gone(db, waker, long_ago):
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    await ingestion.submit(submission("one", job_id=long_ago))
    await run(db, "DROP TABLE jobs_long_ago")

    assert (await ingestion.submit(submission("two", job_id=long_ago))).status == 202
    assert await run(db, "SELECT id FROM jobs") == [(long_ago,)]


async def lose(db: Database, worker: str) -> None:
    """The job's next attempt begins, and its worker falls silent."""
    [(job_id,)] = await run(db, "SELECT id FROM jobs")
    await take_by_hand(db, job_id, over_in=-1.0, worker=worker)
    await run(db, LOSE, limit=1, looked=math.inf, error=error_json("worker_lost", "it fell silent"))


async def test_job_with_the_id_of_one_that_is_gone_has_its_own_history(db, long_ago, read):
    for worker in ("before", "since"):
        async with db.tenant(ORGANIZATION) as session:
            await enqueue(session, Steer("a"), organization_id=ORGANIZATION, job_id=long_ago)
        if worker == "before":
            for _ in range(2):
                await lose(db, worker)
            await run(db, "UPDATE job_attempts SET finished_at = now() - interval '1 day'")
            await run(db, "DROP TABLE jobs_long_ago")

    assert (await read(long_ago)).attempts == []
    await lose(db, "since")
    assert [(one.attempt, one.worker) for one in (await read(long_ago)).attempts] == [(1, "since")]
