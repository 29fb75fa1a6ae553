"""Reading dead letters: lists look through a bounded number of rows, and say how far back they looked."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func

from singr_db import PlatformSession, TenantSession
from singr_db.pages import check_limit, decode_cursor, encode_cursor
from singr_db.tables import DeadLetter
from singr_jobs.dead import _sql
from singr_jobs.dead._errors import DeadLetterNotFoundError
from singr_jobs.dead._filter import LetterFilter, whose
from singr_jobs.dead._groups import find_groups
from singr_jobs.dead._views import (
    DeadLetterDetail,
    DeadLetterGroups,
    DeadLetterPage,
    DeadLetterState,
    letter_detail,
    letter_view,
)
from singr_jobs.declare._checks import check_id
from singr_jobs.declare._job_types import check_name
from singr_jobs.declare._types import Queue
from singr_jobs.memory._sessions import ReadsMemory

Session = TenantSession | PlatformSession | ReadsMemory


async def dead_letters(
    session: Session,
    *,
    organization_id: UUID | None = None,
    limit: int = 20,
    cursor: str | None = None,
    state: DeadLetterState | None = None,
    job_type: str | None = None,
    queue: Queue | None = None,
    error_code: str | None = None,
    fingerprint: str | None = None,
    job_id: UUID | None = None,
    failed_after: datetime | None = None,
    failed_before: datetime | None = None,
) -> DeadLetterPage:
    """Jobs that failed for good, the latest first, as far as they fit every filter given.

    Args:
        session: of an organization, or the platform's; in tests, an `InMemoryJobs`.
        organization_id: whose, of a platform session; left out, of all.
        limit: how many at most.
        cursor: `next_cursor` of the page before.
        state: `open`, `requeued`, `discarded` or `expired`.
        job_type: the type's name.
        queue: only dead letters of jobs in this queue.
        error_code: of their last error.
        fingerprint: of failures of one kind, as a group tells it.
        job_id: of one job: its letters.
        failed_after: inclusive.
        failed_before: exclusive.

    Raises:
        InvalidCursor: it is none.
        QueueError: there is no such queue.
        ValueError: what no letter has, such as a state that is none, or a time without its zone; names the field.
    """
    which = LetterFilter(
        state=state,
        type=job_type,
        queue=queue,
        error_code=error_code,
        fingerprint=fingerprint,
        job_id=job_id,
        failed_after=failed_after,
        failed_before=failed_before,
    )
    which.check()
    check_limit(limit)
    check_id("organization_id", organization_id)
    ours = whose(session, organization_id)
    if isinstance(session, ReadsMemory):
        return session.reading.letters.page(which, organization_id=ours, limit=limit, cursor=cursor)
    return await find_letters(session, which, ours, limit=limit, cursor=cursor)


async def find_letters(
    session: TenantSession | PlatformSession,
    which: LetterFilter,
    organization_id: UUID | None,
    *,
    limit: int,
    cursor: str | None = None,
) -> DeadLetterPage:
    """A page of the letters that fit."""
    looked = which.looked(organization_id)
    if cursor is not None:
        looked = looked.where(DeadLetter.id < decode_cursor(cursor))
    bounded = looked.order_by(DeadLetter.id.desc()).limit(_sql.LOOKS_BACK)
    rows = (await session.execute(_shown(which, bounded).limit(limit + 1))).all()
    items = tuple(letter_view(row) for row in rows[:limit])
    if len(rows) > limit:
        return DeadLetterPage(items=items, next_cursor=encode_cursor(items[-1].id))
    # Where the look ended before the letters did, it goes on behind the last that it saw.
    ends = looked.with_only_columns(DeadLetter.id, DeadLetter.failed_at).order_by(DeadLetter.id.desc())
    end = (await session.execute(ends.offset(_sql.LOOKS_BACK - 1).limit(1))).one_or_none()
    if end is None or which.is_found_by_index:
        return DeadLetterPage(items=items)
    return DeadLetterPage(items=items, next_cursor=encode_cursor(end.id), looked_back_to=end.failed_at)


def _shown(which: LetterFilter, bounded: Select[Any]) -> Select[Any]:
    fitting, letter = which.among(bounded)
    same = ("id", "organization_id", "job_id", "type", "queue", "error", "fingerprint", "state", "failed_at")
    columns = [getattr(letter, name) for name in (*same, "settled_at", "settled_by")]
    attempts = func.jsonb_array_length(letter.attempts).label("attempts")
    return fitting.with_only_columns(*columns, attempts).order_by(letter.id.desc())


async def dead_letter_groups(
    session: Session, *, organization_id: UUID | None = None, job_type: str | None = None
) -> DeadLetterGroups:
    """What nobody has settled, by kinds of failure, the largest group first: 200 at most, each counted to 1,000.

    Up to 1,000 kinds are all counted, less far where many are large; where there are more, those of the latest 10,000
    letters are looked at as well, and `looked_back_to` says until when that is.

    Args:
        session: of an organization, or the platform's; in tests, an `InMemoryJobs`.
        organization_id: whose, of a platform session; left out, of all.
        job_type: only failures of this type.

    Raises ValueError for a type that nothing can be called, or an id that is none.
    """
    if job_type is not None:
        check_name(job_type)
    check_id("organization_id", organization_id)
    organization_id = whose(session, organization_id)
    if isinstance(session, ReadsMemory):
        return session.reading.letters.groups(organization_id=organization_id, job_type=job_type)
    return await find_groups(session, organization_id, job_type)


async def read_dead_letter(
    session: Session, letter_id: UUID, *, organization_id: UUID | None = None
) -> DeadLetterDetail:
    """One letter with its job's payload and every attempt; raises DeadLetterNotFoundError."""
    ours = whose(session, organization_id)
    if isinstance(session, ReadsMemory):
        return session.reading.letters.read(letter_id, organization_id=ours)
    values = {"id": letter_id, "organization_id": ours}
    row = (await session.execute(_sql.READ, values)).one_or_none()
    if row is None:
        raise DeadLetterNotFoundError(f"there is no dead letter {letter_id}")
    return letter_detail(row)
