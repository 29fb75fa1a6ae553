"""Reading and cancelling jobs, one organization's at a time."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import select

from singr_db import TenantSession, sql_text
from singr_db.ending import CANCEL
from singr_db.pages import Page, fetch_page
from singr_db.tables import Job, JobAttempt
from singr_jobs.declare._errors import JobEndedError, JobNotFoundError
from singr_jobs.declare._types import JobStatus, Queue
from singr_jobs.declare._views import WAITING, AttemptView, JobDetail, JobView, error_view, job_view
from singr_jobs.intake._wake import cancel_after_commit

_CLOCKS_APART = timedelta(minutes=1)
_CANCEL = sql_text(CANCEL, roles=("tenant",))


async def list_jobs(
    session: TenantSession,
    *,
    limit: int,
    cursor: str | None = None,
    status: JobStatus | None = None,
    job_type: str | None = None,
    queue: Queue | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    oldest_first: bool = False,
) -> Page[JobView]:
    """The organization's jobs, newest first unless told, as far as they fit every filter given.

    `created_after` is inclusive, `created_before` exclusive. Raises InvalidCursor, and QueueError for a
    queue that is not declared here.
    """
    statement = select(Job).where(Job.organization_id == session.organization_id)
    if status is not None:
        states = WAITING if status is JobStatus.PENDING else (status.value,)
        statement = statement.where(Job.status.in_(states) if len(states) > 1 else Job.status == states[0])
    if job_type is not None:
        statement = statement.where(Job.type == job_type)
    if queue is not None:
        statement = statement.where(Job.queue == Queue(queue).value)
    if created_after is not None:
        statement = statement.where(Job.created_at >= created_after)
    if created_before is not None:
        statement = statement.where(Job.created_at < created_before)
    page = await fetch_page(session, statement, key=Job.id, limit=limit, cursor=cursor, oldest_first=oldest_first)
    return Page(tuple(job_view(job) for job in page.items), page.next_cursor)


async def read_job(session: TenantSession, job_id: UUID) -> JobDetail:
    """One job with its failed attempts, oldest first; raises JobNotFoundError."""
    job = await _find(session, job_id)
    attempts = await session.scalars(
        select(JobAttempt)
        .where(JobAttempt.job_id == job_id, JobAttempt.organization_id == session.organization_id)
        .where(JobAttempt.finished_at + _CLOCKS_APART > job.created_at)  # not those of an earlier job with this id
        .order_by(JobAttempt.attempt)
    )
    history = [
        AttemptView(
            attempt=attempt.attempt,
            outcome=attempt.outcome,  # type: ignore[arg-type]  # the column's CHECK allows exactly these words
            error=error_view(attempt.error),
            worker=attempt.worker,
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
        )
        for attempt in attempts
    ]
    return JobDetail(**msgspec.structs.asdict(job_view(job)), attempts=history)


async def cancel_job(session: TenantSession, job_id: UUID) -> JobView:
    """Cancel a job: at once where it waits, else by asking its worker to stop it within seconds.

    A job asked to stop is still `processing` in the answer, with `cancel_requested` set.

    Raises:
        JobNotFoundError: no such job in this organization.
        JobEndedError: it has ended; a job cancelled before is answered as it is.
    """
    changed = await session.scalars(
        select(Job).from_statement(_CANCEL),
        {"id": job_id, "organization_id": session.organization_id},
        execution_options={"populate_existing": True},
    )
    job = changed.one_or_none()
    if job is None:
        job = await _find(session, job_id)
        if job.status != JobStatus.CANCELLED:
            raise JobEndedError(job.status)
    elif job.status != JobStatus.CANCELLED:
        cancel_after_commit(session.sync_session, job_id)
    return job_view(job)


async def _find(session: TenantSession, job_id: UUID) -> Job:
    job: Job | None = await session.scalar(
        select(Job).where(Job.id == job_id, Job.organization_id == session.organization_id)
    )
    if job is None:
        raise JobNotFoundError(f"there is no job {job_id}")
    return job
