"""Trying a job again, running it now, and moving it among what waits; within the caller's transaction."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import PlatformSession
from singr_db.operation_log import checked_reason, log_operation
from singr_db.tables import Job
from singr_jobs.dead._errors import UniqueKeyHeldError
from singr_jobs.dead._settling import requeue
from singr_jobs.declare._checks import check_moment
from singr_jobs.declare._errors import FlowEndedError, JobEndedError, JobNotFoundError
from singr_jobs.declare._types import Priority, check_priority
from singr_jobs.declare._views import JobView, job_view
from singr_jobs.intake._wake import wake_after_commit
from singr_jobs.steering import _sql
from singr_jobs.steering._errors import BUSY, CANCELLED_WITH_ITS_FLOW, JobRunningError
from singr_jobs.steering._memory import KeepsJobs

_TOLD = ("status", "priority", "run_at", "attempt")


async def retry_job(
    session: PlatformSession | KeepsJobs, job_id: UUID, *, organization_id: UUID, reason: str | None = None
) -> JobView:
    """Let a job that failed for good, or was cancelled, be tried anew under its id; its attempts begin at one.

    Where it left a dead letter that nobody has settled, that is requeued.

    Args:
        session: of `Database.platform()`, with its transaction open; in tests, an `InMemoryJobs`.
        job_id: which.
        organization_id: whose.
        reason: why, for the operation log.

    Raises:
        JobNotFoundError: there is no such job in this organization.
        JobEndedError: it is completed.
        JobRunningError: it has not ended.
        UniqueKeyHeldError: another job holds its unique key.
        FlowEndedError: its flow was cancelled, and took it along.
        ReasonError: the reason is no line of at most 1,000 characters.
    """
    reason = checked_reason(reason)
    if isinstance(session, KeepsJobs):
        return session.steering.retry(job_id, organization_id=organization_id)
    which = {"id": job_id, "organization_id": organization_id}
    before = await _locked(session, which)
    if before.status == "completed":
        raise JobEndedError(before.status)
    if before.status == "pending":
        raise JobRunningError("the job has not ended: there is nothing to try again")
    letter: UUID | None = await session.scalar(_sql.LETTER, which)
    if letter is not None:
        await requeue(session, letter, organization_id=organization_id, reason=reason)
        return await _view(session, which)
    flow = (await session.execute(_sql.FLOW, which)).one_or_none()
    if flow is not None and flow.is_cancelled:
        raise FlowEndedError("cancelled", so=CANCELLED_WITH_ITS_FLOW)
    outcome = (await session.execute(_sql.REVIVE, which)).one()
    while outcome.queue is None and outcome.holder is None:  # who held the key let it go meanwhile
        outcome = (await session.execute(_sql.REVIVE, which)).one()
    if outcome.queue is None:
        raise UniqueKeyHeldError(outcome.holder)
    due = {outcome.queue}
    if flow is not None:
        due |= set(await session.scalars(_sql.FLOW_GOES_ON, {"flow_id": flow.id}))
    for queue in sorted(due):
        wake_after_commit(session.sync_session, queue)
    return await _told(session, "job.retry", which, before, reason)


async def run_job_now(session: PlatformSession | KeepsJobs, job_id: UUID, *, organization_id: UUID) -> JobView:
    """Let a job that waits for its time, or for its next attempt, be due now; one that is due stays as it is.

    Args:
        session: of `Database.platform()`, with its transaction open; in tests, an `InMemoryJobs`.
        job_id: which.
        organization_id: whose.

    Raises:
        JobNotFoundError: there is no such job in this organization.
        JobEndedError: it has ended.
        JobRunningError: a worker has it in hand, or it waits for something else than its time.
    """
    if isinstance(session, KeepsJobs):
        return session.steering.move(job_id, organization_id=organization_id, at_once=True)
    which = {"id": job_id, "organization_id": organization_id}
    before = await _waiting(session, which)
    if before.run_at <= await session.scalar(_sql.NOW):
        return before
    await _move(session, which, None)
    return await _told(session, "job.run_now", which, before, None)


async def change_job(
    session: PlatformSession | KeepsJobs,
    job_id: UUID,
    *,
    organization_id: UUID,
    priority: Priority | None = None,
    run_at: datetime | None = None,
) -> JobView:
    """Give a job that waits another priority, or another time, which may be past.

    Takes and raises as `run_job_now`, and ValueError, by field, where a priority or a time cannot be.
    """
    if priority is not None:
        check_priority(priority)
    if run_at is not None:
        check_moment("run_at", run_at)
    if isinstance(session, KeepsJobs):
        return session.steering.move(job_id, organization_id=organization_id, priority=priority, run_at=run_at)
    which = {"id": job_id, "organization_id": organization_id}
    before = await _waiting(session, which)
    if priority is not None:
        await session.execute(_sql.RANK_ANEW, {"ids": [job_id], "priority": int(priority)})
    if run_at is not None:
        await _move(session, which, run_at)
    return await _told(session, "job.change", which, before, None)


async def _waiting(session: AsyncSession, which: dict[str, UUID]) -> JobView:
    """The job, locked; raises where it has ended, or somebody has it in hand."""
    before = await _locked(session, which)
    if before.status != "pending":
        raise JobEndedError(before.status)
    if await session.scalar(_sql.IN_HAND, which):
        raise JobRunningError(BUSY)
    return before


async def _move(session: AsyncSession, which: dict[str, UUID], run_at: datetime | None) -> None:
    """Give it that time; none is now."""
    moved = (await session.execute(_sql.MOVE, {**which, "run_at": run_at})).one_or_none()
    if moved is None:
        raise JobRunningError(BUSY)
    if moved.is_due:
        wake_after_commit(session.sync_session, moved.queue)


async def _locked(session: AsyncSession, which: dict[str, UUID]) -> JobView:
    if (await session.execute(_sql.LOCK, which)).one_or_none() is None:
        raise JobNotFoundError(f"there is no job {which['id']}")
    return await _view(session, which)


async def _view(session: AsyncSession, which: dict[str, UUID]) -> JobView:
    job = await session.scalars(select(Job).filter_by(**which), execution_options={"populate_existing": True})
    return job_view(job.one())


async def _told(
    session: AsyncSession, act: str, which: dict[str, UUID], before: JobView, reason: str | None
) -> JobView:
    after = await _view(session, which)
    was, now = ({name: getattr(view, name) for name in _TOLD} for view in (before, after))
    organization = which["organization_id"]
    await log_operation(session, act, which["id"], organization_id=organization, before=was, after=now, reason=reason)
    return after
