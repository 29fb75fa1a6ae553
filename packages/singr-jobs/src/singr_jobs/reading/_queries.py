"""Reading and cancelling jobs, one organization's at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, any_, func, select

from singr_db import TenantSession, sql_text
from singr_db.ending import CANCEL
from singr_db.operation_log import log_operation
from singr_db.pages import Page, search_page
from singr_db.tables import Job, JobAttempt
from singr_jobs._plain import shown
from singr_jobs.dead._sql import EARLIER_ROUNDS
from singr_jobs.dead._views import attempts_of
from singr_jobs.declare._errors import JobEndedError, JobNotFoundError
from singr_jobs.declare._job_types import check_name
from singr_jobs.declare._types import JobStatus, Queue
from singr_jobs.declare._views import AttemptView, JobDetail, JobView, error_view, job_view
from singr_jobs.intake._wake import cancel_after_commit

_CLOCKS_APART = timedelta(minutes=1)
_CANCEL = sql_text(CANCEL, roles=("tenant",))
# Whoever takes the job, or gives it back, is done before its place is looked for.
_LOCK = sql_text(
    "SELECT FROM jobs WHERE id = %(id)s AND organization_id = %(organization_id)s FOR UPDATE", roles=("tenant",)
)
_RUNNING = sql_text("SELECT id, started_at FROM running_jobs(CAST(%(ids)s AS uuid[]))", roles=("tenant",))


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

    Looks through 10,000 jobs for a page, and says how far it looked. `created_after` is inclusive, `created_before`
    exclusive. Raises InvalidCursor, QueueError for a queue that is not
    declared here, and ValueError for a status that is none or a type that nothing can be called.
    """
    statement = select(Job).where(Job.organization_id == session.organization_id)
    if status is not None:
        statement = statement.where(*_led_to(_status(status)))
    if job_type is not None:
        check_name(job_type)
    name = None if queue is None else Queue(queue).value

    def fits(job: Any) -> list[ColumnElement[bool]]:
        asked = _stands(job, status)
        asked += [column == value for column, value in ((job.type, job_type), (job.queue, name)) if value is not None]
        if created_after is not None:
            asked.append(job.created_at >= created_after)
        if created_before is not None:
            asked.append(job.created_at < created_before)
        return asked

    page = await search_page(
        session, statement, fits, entity=Job, limit=limit, cursor=cursor, oldest_first=oldest_first
    )
    began = await _began(session, page.items)
    return Page(
        tuple(job_view(job, began=began.get(job.id)) for job in page.items), page.next_cursor, page.looked_back_to
    )


def _status(status: object) -> JobStatus:
    try:
        return JobStatus(status)  # type: ignore[arg-type]  # what is none is refused
    except ValueError:
        raise ValueError(f"there is no status {shown(status)}; there are {', '.join(JobStatus)}") from None


def _led_to(status: JobStatus) -> list[ColumnElement[bool]]:
    """What an index has of those that have this status for their organization."""
    if status is JobStatus.PROCESSING:
        return [Job.id == any_(func.array(select(func.running_jobs(None).table_valued("id").c.id).scalar_subquery()))]
    # What failed has an error, and those that have one are in an index.
    return [Job.error.is_not(None)] if status is JobStatus.FAILED else []


def _stands(job: Any, status: JobStatus | None) -> list[ColumnElement[bool]]:
    """What is asked of the row of one that has this status for its organization."""
    if status is None:
        return []
    if status is JobStatus.PROCESSING:
        return [job.status == JobStatus.PENDING]
    running = select(func.running_jobs(None).table_valued("id").c.id)
    return [job.status == status, *([job.id.not_in(running)] if status is JobStatus.PENDING else [])]


async def _began(session: TenantSession, jobs: Sequence[Job]) -> dict[UUID, datetime]:
    """When the attempts under way at these jobs began."""
    unfinished = [job.id for job in jobs if job.status == JobStatus.PENDING]
    if not unfinished:
        return {}
    running = await session.execute(_RUNNING, {"ids": unfinished})
    return {row.id: row.started_at for row in running}


async def read_job(session: TenantSession, job_id: UUID) -> JobDetail:
    """One job with its failed attempts, oldest first, also those before it was requeued; raises JobNotFoundError."""
    job = await find_job(session, job_id)
    attempts = await session.scalars(
        select(JobAttempt)
        .where(JobAttempt.job_id == job_id, JobAttempt.organization_id == session.organization_id)
        .where(JobAttempt.finished_at + _CLOCKS_APART > job.created_at)  # not those of an earlier job with this id
        .where(JobAttempt.attempt <= job.attempt - (job.status == JobStatus.COMPLETED))  # nor of an earlier round
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
    began = await _began(session, [job])
    rounds = await session.scalars(EARLIER_ROUNDS, {"job_id": job_id, "organization_id": session.organization_id})
    earlier = [attempt for kept in rounds for attempt in attempts_of(kept)]
    return JobDetail(**msgspec.structs.asdict(job_view(job, began=began.get(job.id))), attempts=[*earlier, *history])


async def cancel_job(session: TenantSession, job_id: UUID) -> JobView:
    """Cancel a job: at once where it waits, else by asking its worker to stop it within seconds.

    A job asked to stop is still `processing` in the answer, with `cancel_requested` set.

    Raises:
        JobNotFoundError: no such job in this organization.
        JobEndedError: it has ended; a job cancelled before is answered as it is.
    """
    which = {"id": job_id, "organization_id": session.organization_id}
    await session.execute(_LOCK, which)
    changed = await session.scalars(
        select(Job).from_statement(_CANCEL),
        which,
        execution_options={"populate_existing": True},
    )
    job = changed.one_or_none()
    if job is None:
        job = await find_job(session, job_id)
        if job.status != JobStatus.CANCELLED:
            raise JobEndedError(job.status)
    else:
        asked = {"cancel_requested": True, "status": job.status}
        was = {"cancel_requested": False, "status": JobStatus.PENDING.value}
        await log_operation(session, "job.cancel", job_id, before=was, after=asked)
        if job.status != JobStatus.CANCELLED:
            cancel_after_commit(session.sync_session, job_id)
    return job_view(job, began=(await _began(session, [job])).get(job.id))


async def find_job(session: TenantSession, job_id: UUID) -> Job:
    """The organization's job; raises JobNotFoundError."""
    job: Job | None = await session.scalar(
        select(Job).where(Job.id == job_id, Job.organization_id == session.organization_id)
    )
    if job is None:
        raise JobNotFoundError(f"there is no job {job_id}")
    return job
