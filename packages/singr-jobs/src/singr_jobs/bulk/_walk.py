"""What a bulk action goes through, in the order of ids, a bounded number of rows at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true
from sqlalchemy.orm import aliased

from singr_db import PlatformSession, TenantSession, first_id
from singr_db.tables import BulkKind, DeadLetter, Job, JobStatus
from singr_jobs.bulk._views import BulkFilter
from singr_jobs.dead._filter import LetterFilter

# Hosts' clocks differ: what they made within so much later by their own was there when the action was asked for.
_CLOCKS_APART: Final = timedelta(minutes=1)


class Asked(Protocol):
    """What is asked for: the columns of a bulk action that say what it concerns."""

    id: UUID
    organization_id: UUID | None
    action: str
    types: Sequence[str] | None
    priority: int | None
    asked_at: datetime


class Looked(NamedTuple):
    """What a look found: the rows that fit, the last that it saw, and whether there may be more behind."""

    fitting: list[Any]
    last: UUID | None
    ended_early: bool


async def look(
    session: TenantSession | PlatformSession, asked: Asked, which: BulkFilter, *, after: UUID | None, rows: int
) -> Looked:
    """Look through so many rows behind an id."""
    model, bounded, fits = _rows(asked, which)
    if after is not None:
        bounded = bounded.where(model.id > after)
    looked = aliased(model, bounded.order_by(model.id).limit(rows).subquery())
    columns = [getattr(looked, name) for name in ("id", "organization_id", "type", "queue", "error")]
    fitting = and_(fits(looked), *_of_types(asked, looked))
    found = (await session.execute(select(*columns, fitting.label("fits")).order_by(looked.id))).all()
    return Looked([row for row in found if row.fits], found[-1].id if found else None, len(found) == rows)


async def count(
    session: TenantSession | PlatformSession, asked: Asked, which: BulkFilter, *, after: UUID | None, rows: int
) -> tuple[int, Looked]:
    """Count what fits among so many rows behind an id."""
    model, bounded, fits = _rows(asked, which)
    if after is not None:
        bounded = bounded.where(model.id > after)
    looked = aliased(model, bounded.order_by(model.id).limit(rows).subquery())
    last = func.array_agg(looked.id).label("ids")
    fitting = func.count().filter(and_(fits(looked), *_of_types(asked, looked))).label("fitting")
    counted = select(fitting, func.count().label("looked"), last)
    row = (await session.execute(counted)).one()
    ids = row.ids or []
    return row.fitting, Looked([], max(ids) if ids else None, row.looked == rows)


def _of_types(asked: Asked, row: Any) -> list[ColumnElement[bool]]:
    return [] if asked.types is None else [row.type.in_(asked.types)]


def _rows(asked: Asked, which: BulkFilter) -> tuple[Any, Select[Any], Any]:
    if asked.action in {BulkKind.REQUEUE, BulkKind.DISCARD}:
        return DeadLetter, *_letters(asked, which)
    return Job, *_jobs(asked, which)


def _letters(asked: Asked, which: BulkFilter) -> tuple[Select[Any], Any]:
    letters = LetterFilter(
        state="open",
        type=which.type,
        queue=which.queue,
        error_code=which.error_code,
        fingerprint=which.fingerprint,
        failed_after=which.failed_after,
        failed_before=which.failed_before,
    )
    bounded = letters.looked(asked.organization_id).where(DeadLetter.id < first_id(asked.asked_at, after=1))

    def fits(letter: Any) -> ColumnElement[bool]:
        # Whatever the clock did since: what it gave back and failed again is another letter of the same job.
        earlier = aliased(DeadLetter)
        again = select(earlier.id).where(earlier.job_id == letter.job_id, earlier.bulk_id == asked.id).exists()
        return and_(true(), *letters.of_rows(letter), letter.failed_at <= asked.asked_at, ~again)

    return bounded, fits


def _jobs(asked: Asked, which: BulkFilter) -> tuple[Select[Any], Any]:
    # A job whose id its caller made for a later time is none of those that were there.
    bounded = select(Job).where(Job.id < first_id(asked.asked_at + _CLOCKS_APART))
    if asked.organization_id is not None:
        bounded = bounded.where(Job.organization_id == asked.organization_id)

    def fits(job: Any) -> ColumnElement[bool]:
        conditions = [job.status == JobStatus.PENDING.value, job.created_at <= asked.asked_at]
        given = ((job.type, which.type), (job.queue, which.queue))
        conditions += [column == value for column, value in given if value is not None]
        if which.created_after is not None:
            conditions.append(job.created_at >= which.created_after)
        if which.created_before is not None:
            conditions.append(job.created_at < which.created_before)
        if asked.action == BulkKind.CANCEL:
            conditions.append(~job.cancel_requested)
        else:
            conditions.append(or_(job.priority < asked.priority, job.priority > asked.priority))
        return and_(true(), *conditions)

    return bounded, fits
