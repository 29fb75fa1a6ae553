"""One job, steered: tried again, run now, moved among what waits; and nothing else by it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from jobs_support import ORGANIZATION, Steer, jobs, lies, put, take_by_hand
from sqlalchemy import text

from singr_config.clock import clock
from singr_db import Database, new_id
from singr_jobs import (
    JobEndedError,
    JobNotFoundError,
    JobRunningError,
    Priority,
    UniqueKeyHeldError,
    cancel_job,
    change_job,
    enqueue,
    retry_job,
    run_job_now,
)
from singr_jobs.testing import InMemoryJobs

SOON = clock.now() + timedelta(hours=1)


async def run(db: Database, statement: str, **values: Any) -> list[Any]:
    async with db.platform() as session:
        result: Any = await session.execute(text(statement), values)
        return list(result) if result.returns_rows else []


async def retry(db: Database, job_id: UUID, organization: UUID = ORGANIZATION) -> Any:
    async with db.platform() as session:
        return await retry_job(session, job_id, organization_id=organization, reason="again")


async def run_now(db: Database, job_id: UUID) -> Any:
    async with db.platform() as session:
        return await run_job_now(session, job_id, organization_id=ORGANIZATION)


async def change(db: Database, job_id: UUID, **changes: Any) -> Any:
    async with db.platform() as session:
        return await change_job(session, job_id, organization_id=ORGANIZATION, **changes)


async def cancel(db: Database, job_id: UUID) -> None:
    async with db.tenant(ORGANIZATION) as session:
        await cancel_job(session, job_id)


async def test_a_cancelled_job_waits_again_under_its_id_and_the_log_says_why(db: Database) -> None:
    job_id = await put(db)
    await cancel(db, job_id)
    view = await retry(db, job_id)
    assert (view.id, view.status, view.attempt, view.cancel_requested) == (job_id, "pending", 0, False)
    assert await lies(db, job_id) == "ready"
    [(kind, reason)] = await run(db, "SELECT kind, reason FROM operation_log WHERE kind = 'job.retry'")
    assert (kind, reason) == ("job.retry", "again")


async def test_a_failed_job_takes_its_letter_with_it(db: Database, working: Any, reaches: Any) -> None:
    job_id = await put(db, "a", "permanent", "ok")
    async with working():
        await reaches(job_id, "failed")
    await retry(db, job_id)
    assert await run(db, "SELECT state FROM dead_letters") == [("requeued",)]
    assert await lies(db, job_id) == "ready"


async def test_a_key_that_another_job_holds_by_now_is_not_taken_from_it(db: Database) -> None:
    job_id = await put(db, unique_key="k")
    await cancel(db, job_id)
    holder = await put(db, "b", unique_key="k")
    with pytest.raises(UniqueKeyHeldError) as caught:
        await retry(db, job_id)
    assert caught.value.job_id == holder
    assert await lies(db, job_id) == ""


async def test_what_has_not_ended_or_is_completed_is_not_tried_again(db: Database) -> None:
    job_id = await put(db)
    with pytest.raises(JobRunningError):
        await retry(db, job_id)
    await run(db, "UPDATE jobs SET status = 'completed', finished_at = now()")
    with pytest.raises(JobEndedError):
        await retry(db, job_id)


async def test_a_delayed_job_is_due_at_once(db: Database) -> None:
    job_id = await put(db, run_at=SOON)
    assert await lies(db, job_id) == "later"
    view = await run_now(db, job_id)
    assert view.run_at < SOON
    assert await lies(db, job_id) == "ready"


async def test_a_delayed_job_with_a_key_is_due_at_once_and_looked_at_by_its_key(db: Database) -> None:
    job_id = await put(db, run_at=SOON)
    await run(db, "UPDATE jobs SET concurrency_key = 'k'")
    await run(
        db,
        "WITH gone AS (DELETE FROM job_later RETURNING *) INSERT INTO job_keyed"
        " (run_at, id, queue, organization_id, priority, type, key)"
        " SELECT run_at, id, queue, organization_id, priority, type, 'k' FROM gone",
    )
    await run_now(db, job_id)
    assert await run(db, "SELECT id, run_at <= now() FROM job_keyed") == [(job_id, True)]
    assert await lies(db, job_id) == "keyed"


async def test_a_due_job_that_is_run_now_keeps_its_turn(db: Database) -> None:
    job_id = await put(db)
    before = await run(db, "SELECT * FROM job_ready")
    await run_now(db, job_id)
    assert await run(db, "SELECT * FROM job_ready") == before
    assert await run(db, "SELECT kind FROM operation_log") == []


async def test_the_time_moves_with_the_job_both_ways(db: Database) -> None:
    job_id = await put(db)
    await change(db, job_id, run_at=SOON)
    assert await run(db, "SELECT run_at FROM job_later") == [(SOON,)]
    assert await lies(db, job_id) == "later"
    await change(db, job_id, run_at=SOON - timedelta(days=1))
    assert await lies(db, job_id) == "ready"


async def test_the_priority_moves_with_the_job_and_with_its_time(db: Database) -> None:
    job_id = await put(db)
    view = await change(db, job_id, priority=Priority.HIGH)
    assert view.priority == "high"
    assert await run(db, "SELECT priority FROM job_ready") == [(0,)]
    await change(db, job_id, priority=Priority.LOW, run_at=SOON)
    assert await run(db, "SELECT priority, run_at FROM job_later") == [(2, SOON)]
    assert await lies(db, job_id) == "later"


async def test_what_is_set_apart_stays_so(db: Database) -> None:
    job_id = await put(db)
    await run(db, "UPDATE job_ready SET priority = 8")
    await change(db, job_id, run_at=SOON - timedelta(days=1))
    assert await run(db, "SELECT priority FROM job_ready") == [(8,)]


async def test_what_a_worker_has_in_hand_is_not_moved(db: Database) -> None:
    job_id = await put(db)
    await take_by_hand(db, job_id)
    for steer in (run_now(db, job_id), change(db, job_id, run_at=SOON)):
        with pytest.raises(JobRunningError):
            await steer
    assert await lies(db, job_id) == "working"


async def test_what_has_ended_is_not_moved(db: Database) -> None:
    job_id = await put(db)
    await cancel(db, job_id)
    with pytest.raises(JobEndedError):
        await run_now(db, job_id)


async def test_a_job_of_another_organization_is_not_there(db: Database) -> None:
    job_id = await put(db)
    await cancel(db, job_id)
    with pytest.raises(JobNotFoundError):
        await retry(db, job_id, new_id())
    assert await lies(db, job_id) == ""


async def test_jobs_in_memory_are_steered_alike() -> None:
    memory = InMemoryJobs(jobs, queues=[])
    job_id = await enqueue(memory, Steer("a"), organization_id=ORGANIZATION, run_at=memory.now + timedelta(hours=1))
    [job] = memory.all
    await run_job_now(memory, job_id, organization_id=ORGANIZATION)
    assert job.run_at == memory.now
    await change_job(memory, job_id, organization_id=ORGANIZATION, run_at=memory.now + timedelta(hours=2))
    await change_job(memory, job_id, organization_id=ORGANIZATION, priority=Priority.HIGH)
    assert (job.run_at, job.priority) == (memory.now + timedelta(hours=2), 0)
    with pytest.raises(JobRunningError):
        await retry_job(memory, job_id, organization_id=ORGANIZATION)
    with pytest.raises(JobNotFoundError):
        await run_job_now(memory, job_id, organization_id=new_id())
