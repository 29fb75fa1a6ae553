"""Reading what handlers wrote of a job's attempts."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select

from singr_db.pages import Page, fetch_page
from singr_db.tables import JobLog
from singr_jobs.declare._checks import check_whole
from singr_jobs.declare._views import LogLine
from singr_jobs.memory._sessions import ReadsMemory
from singr_jobs.reading._queries import Session, find_job

_CLOCKS_APART: Final = timedelta(minutes=1)


async def list_job_logs(
    session: Session, job_id: UUID, *, limit: int, cursor: str | None = None, attempt: int | None = None
) -> Page[LogLine]:
    """The lines that a job's handler wrote with `ctx.log`, oldest first.

    Raises JobNotFoundError, InvalidCursor, and ValueError for an attempt that is no whole number from 1 on.
    """
    if attempt is not None:
        check_whole("attempt", attempt, least=1)
    if isinstance(session, ReadsMemory):
        ours = session.organization_id
        return session.reading.logs(job_id, organization_id=ours, limit=limit, cursor=cursor, attempt=attempt)
    job = await find_job(session, job_id)
    statement = (
        select(JobLog)
        .where(JobLog.job_id == job_id, JobLog.organization_id == session.organization_id)
        .where(JobLog.at > job.created_at - _CLOCKS_APART)  # not those of an earlier job with this id
    )
    if attempt is not None:
        statement = statement.where(JobLog.attempt == attempt)
    page = await fetch_page(session, statement, key=JobLog.id, limit=limit, cursor=cursor, oldest_first=True)
    lines = [LogLine(line.id, line.attempt, line.at, line.message, line.fields) for line in page.items]
    return Page(tuple(lines), page.next_cursor)
