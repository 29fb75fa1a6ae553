"""Reading and cancelling jobs, one organization's at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from sqlalchemy import select

from singr_db import TenantSession, sql_text
from singr_db.ending import CANCEL
from singr_db.operation_log import log_operation
from singr_db.pages import Page, search_page
from singr_db.tables import Job, JobAttempt
from singr_jobs.dead._sql import EARLIER_ROUNDS
from singr_jobs.dead._views import attempts_of
from singr_jobs.declare._errors import JobEndedError, JobNotFoundError
from singr_jobs.declare._types import JobStatus, Queue
from singr_jobs.declare._views import AttemptView, JobDetail, JobView, error_view, job_view
from singr_jobs.intake._wake import cancel_after_commit
from singr_jobs.memory._sessions import ReadsMemory
from singr_jobs.reading._filter import JobFilter

_CLOCKS_APART = timedelta(minutes=1)
_CANCEL = sql_text(CANCEL, roles=("tenant",))
# Whoever takes the job, or gives it back, is done before its place is looked for.
_LOCK = sql_text(
    "SELECT FROM jobs WHERE id = %(id)s AND organization_id = %(organization_id)s FOR UPDATE", roles=("tenant",)
)
_RUNNING = sql_text("SELECT id, started_at FROM running_jobs(CAST(%(ids)s AS uuid[]))", roles=("tenant",))
# The time of a schedule is written down with the job that it became, in one transaction, and an index leads to it.
_MADE_BY = sql_text(
    "SELECT schedule_id FROM schedule_fires"
    " WHERE created_at = :created_at AND job_id = :id AND organization_id = :organization_id",
    roles=("tenant",),
)


Session: TypeAlias = TenantSession | ReadsMemory
"""An organization's session; in tests an `InMemoryJobs`, which shows everybody's, or its `tenant`."""


async def list_jobs(
    session: Session,
    *,
    limit: int,
    cursor: str | None = None,
    status: JobStatus | None = None,
    job_type: str | None = None,
    queue: Queue | None = None,
    reference: str | None = None,
    labels: Sequence[str] = (),
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    oldest_first: bool = False,
) -> Page[JobView]:
    """The organization's jobs, newest first unless told, as far as they fit every filter given.

    Looks through 10,000 jobs for a page, and says how far it looked. `reference` is what their callers
    call the matter; of `labels`, a job has all. `created_after` is inclusive, `created_before`
    exclusive. Raises InvalidCursor, QueueError for a queue that is not
    declared here, and ValueError for a status that is none, a type that nothing can be
    called, a reference or labels that none are, or a time without its zone.
    """
    which = JobFilter(
        status=status,
        type=job_type,
        queue=queue,
        reference=reference,
        labels=labels,
        created_after=created_after,
        created_before=created_before,
    ).checked()
    where: dict[str, Any] = {"limit": limit, "cursor": cursor, "oldest_first": oldest_first}
    if isinstance(session, ReadsMemory):
        return session.reading.page(which.fits, organization_id=session.organization_id, **where)
    statement = select(Job).where(Job.organization_id == session.organization_id, *which.led_to())
    page = await search_page(session, statement, which.of_rows, entity=Job, **where)
    began = await _began(session, page.items)
    return Page(
        tuple(job_view(job, began=began.get(job.id)) for job in page.items), page.next_cursor, page.looked_back_to
    )


async def _began(session: TenantSession, jobs: Sequence[Job]) -> dict[UUID, datetime]:
    """When the attempts under way at these jobs began."""
    unfinished = [job.id for job in jobs if job.status == JobStatus.PENDING]
    if not unfinished:
        return {}
    running = await session.execute(_RUNNING, {"ids": unfinished})
    return {row.id: row.started_at for row in running}


async def read_job(session: Session, job_id: UUID) -> JobDetail:
    """One job with its failed attempts, oldest first, also those before it was requeued; raises JobNotFoundError."""
    if isinstance(session, ReadsMemory):
        return session.reading.read(job_id, organization_id=session.organization_id)
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
    view = msgspec.structs.asdict(job_view(job, began=began.get(job.id)))
    fire = {"id": job_id, "organization_id": session.organization_id, "created_at": job.created_at}
    made_by = None if job.flow_id is not None else await session.scalar(_MADE_BY, fire)
    return JobDetail(**view, replaced_by=job.replaced_by, schedule_id=made_by, attempts=[*earlier, *history])


async def cancel_job(session: Session, job_id: UUID) -> JobView:
    """Cancel a job: at once where it waits, else by asking its worker to stop it within seconds.

    A job asked to stop is still `processing` in the answer, with `cancel_requested` set.

    Raises:
        JobNotFoundError: no such job in this organization.
        JobEndedError: it has ended; a job cancelled before is answered as it is.
    """
    if isinstance(session, ReadsMemory):
        return session.reading.cancel(job_id, organization_id=session.organization_id)
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
