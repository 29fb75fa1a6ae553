"""Making, finding and changing schedules, within the caller's transaction."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import new_id
from singr_db.operation_log import log_operation
from singr_db.pages import Page, fetch_page, search_page
from singr_db.tables import Schedule, ScheduleFire, ScheduleState
from singr_jobs._plain import shown
from singr_jobs.declare._checks import check_choice, check_id, check_whole
from singr_jobs.declare._job_types import declared
from singr_jobs.declare._types import Priority, Queue
from singr_jobs.intake._enqueue import row_of
from singr_jobs.memory._pages import page_in_memory
from singr_jobs.schedules import _sql
from singr_jobs.schedules._drafts import Draft, Source, draft_of, drawn
from singr_jobs.schedules._errors import ScheduleEndedError, ScheduleError, ScheduleNotFoundError, no_organization
from singr_jobs.schedules._memory import KeepsSchedules
from singr_jobs.schedules._plan import Stored
from singr_jobs.schedules._views import FireView, Preview, ScheduleView, schedule_view
from singr_jobs.schedules._when import Rule, When, check_moment
from singr_jobs.schedules._zones import RULES

if TYPE_CHECKING:
    from sqlalchemy import Row

Session: TypeAlias = AsyncSession | KeepsSchedules
MOST_PREVIEWED: Final = 100
MOST_OF_CALLERS: Final = 1000
"""So many of an organization's schedules may be requests of callers over HTTP; what code schedules is not counted."""
# What says nothing of an act on a schedule: it comes with each, or with each fire.
_BESIDE: Final = frozenset({"id", "organization_id", "created_at", "updated_at", "last_fire_at", "last_job_id"})
_JOB: Final = (
    *("queue", "priority", "payload", "max_attempts", "backoff", "timeout", "concurrency_key", "reference", "labels"),
)


async def schedule(
    session: Session,
    name: str,
    when: When,
    job: msgspec.Struct,
    *,
    organization_id: UUID,
    missed: str | None = None,
    missed_within: float | None = None,
    overlap: str | None = None,
    jitter: float = 0,
    starts: datetime | None = None,
    ends: datetime | None = None,
    pause_after: int | None = None,
    priority: Priority = Priority.NORMAL,
    queue: Queue | None = None,
    attempts: int | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - the job's, not this call's
    reference: str | None = None,
    labels: Sequence[str] = (),
) -> ScheduleView:
    """Let a job be made at certain times, in the caller's transaction: it is scheduled exactly when that commits.

    Names are an organization's own: another schedule of the same name takes its place, and where its times are the
    same, those that are due already stay due, and one that has ended stays so. So a process may say at each start what
    it wants scheduled.

    Args:
        session: a session of `Database` with its transaction open; in tests, an `InMemoryJobs`.
        name: 1 to 100 printable characters.
        when: `Cron("30 2 * * 1-5", "Europe/Berlin")`, `Every(90)` or `Once(at)`.
        job: an instance of a declared job struct.
        organization_id: whose schedule and jobs it is.
        missed: what becomes of times that passed while nobody could fire: `Latest` (unless told), `Skip` or `All`.
        missed_within: seconds for which a time is made up for; a day unless told, at most 31.
        overlap: what becomes of a time while a job of an earlier one is unfinished: `Skip` (unless told), `Queue` or
            `CancelRunning`.
        jitter: seconds, at most a day: each time comes that much later at most, by chance, and before the next one.
        starts: no time before this one; what `Every` is counted from.
        ends: no time after this one.
        pause_after: once so many of its jobs in a row have failed for good, it is paused and says so; 1 to 20, and
            never unless told.
        priority: which due job goes first.
        queue: where the jobs wait, instead of the type's own queue.
        attempts: how often each is tried in all, instead of the type's own number.
        timeout: seconds one attempt may take, instead of the type's own.
        reference: what you call the matter that its jobs are about: shown with each, and found by `list_jobs`.
        labels: what you sort your jobs by, ten at most: likewise.

    Raises:
        ScheduleError: it cannot be; the error names the field.
        EnqueueError: the job, or an option of it, cannot be; as `enqueue`.
    """
    draft = draft_of(
        name,
        when,
        missed=missed,
        missed_within=missed_within,
        overlap=overlap,
        jitter=jitter,
        starts=starts,
        ends=ends,
        pause_after=pause_after,
    )
    row = row_of(
        job,
        declared(job),
        organization_id=organization_id,
        priority=priority,
        queue=queue,
        attempts=attempts,
        timeout=timeout,
        reference=reference,
        labels=labels,
    )
    kept = msgspec.json.encode({name: getattr(row, name) for name in _JOB})
    source = Source(type=row.type, job=kept)
    return await put_schedule(session, draft, source, organization_id=row.organization_id)


async def put_schedule(session: Session, draft: Draft, source: Source, *, organization_id: UUID) -> ScheduleView:
    """Store a schedule, in the place of one of the same name; raises ScheduleError, by field, where it cannot be."""
    whose = getattr(session, "organization_id", None)
    if whose is not None and whose != organization_id:
        raise ScheduleError("organization_id", f"must be that of the session, {whose}, not {shown(organization_id)}")
    if isinstance(session, KeepsSchedules):
        return session.schedules.put(draft, source, organization_id=organization_id)
    if not hasattr(session, "sync_session"):
        right = "must be a session of Database with its transaction open, or an InMemoryJobs"
        raise ScheduleError("session", f"{right}, not {shown(session)}")
    if source.request is not None:
        await _check_room(session, draft.name, organization_id)
    [(now,)] = await session.execute(_sql.NOW)
    values = {"id": new_id(), **draft.row(source, organization_id=organization_id, now=now)}
    if values["next_fire_at"] is None and not (await session.execute(_sql.SAID_AGAIN, values)).all():
        raise draft.never_fires()
    which = {"organization_id": organization_id, "id": None, "name": draft.name}
    before = (await session.execute(_sql.FIND_TO_CHANGE, which)).one_or_none()
    try:
        stored = (await session.execute(_sql.PUT, values)).one()
    except IntegrityError:
        raise no_organization(organization_id) from None
    return await _told(session, "put", before, stored)


async def _check_room(session: AsyncSession, name: str, organization_id: UUID) -> None:
    values = {"organization_id": organization_id, "name": name, "most": MOST_OF_CALLERS}
    await session.execute(_sql.LOCK_ROOM, values)
    if not await session.scalar(_sql.ROOM, values):
        words = (
            f"would be one more than the {MOST_OF_CALLERS} schedules that an organization can have: delete one first"
        )
        raise ScheduleError("name", words, code="too-many")


async def pause_schedule(session: Session, which: str | UUID, *, organization_id: UUID) -> ScheduleView:
    """Let a schedule, by name or id, rest until it is resumed; its times until then are not made up for.

    Raises ScheduleNotFoundError, and ScheduleEndedError where it has no times left.
    """
    if isinstance(session, KeepsSchedules):
        return session.schedules.pause(which, organization_id=organization_id)
    found = await _find(session, which, organization_id)
    return await _told(session, "pause", found, (await session.execute(_sql.PAUSE, {"id": found.id})).one())


async def resume_schedule(session: Session, which: str | UUID, *, organization_id: UUID) -> ScheduleView:
    """Let a paused schedule fire from its next time on; an active one stays as it is. Raises as `pause_schedule`."""
    if isinstance(session, KeepsSchedules):
        return session.schedules.resume(which, organization_id=organization_id)
    found = await _find(session, which, organization_id)
    if found.state == ScheduleState.ACTIVE:
        return schedule_view(found)
    rule = Stored.of(found).rule
    following = rule.after(found.moment)
    if following is None:
        raise ScheduleEndedError(f"the schedule {shown(found.name)} has no times left")
    late_by = drawn(rule, following, found.jitter)
    values = {"next_fire_at": following, "due_at": following + timedelta(seconds=late_by), "late_by": late_by}
    resumed = (await session.execute(_sql.RESUME, {"id": found.id, "rules": RULES, **values})).one()
    return await _told(session, "resume", found, resumed)


async def run_schedule_now(session: Session, which: str | UUID, *, organization_id: UUID) -> ScheduleView:
    """Let a schedule make a job now, beside its times and whatever is unfinished: a worker does it within a second.

    Also one that is paused or has ended; asked twice within that second, it makes one. Raises ScheduleNotFoundError.
    """
    if isinstance(session, KeepsSchedules):
        return session.schedules.run_now(which, organization_id=organization_id)
    found = await _find(session, which, organization_id, also_ended=True)
    await session.execute(_sql.ASK, {"id": found.id})
    asked = {"asked_at": found.moment}
    await log_operation(session, "schedule.run", found.id, organization_id=organization_id, after=asked)
    return schedule_view(found)


async def delete_schedule(session: Session, which: str | UUID, *, organization_id: UUID) -> None:
    """Take a schedule away with its history; jobs that it made go on. Raises ScheduleNotFoundError."""
    if isinstance(session, KeepsSchedules):
        session.schedules.delete(which, organization_id=organization_id)
        return
    found = await _find(session, which, organization_id, also_ended=True)
    await session.execute(_sql.DELETE, {"id": found.id})
    await _told(session, "delete", found, None)


async def read_schedule(session: Session, which: str | UUID, *, organization_id: UUID) -> ScheduleView:
    """One schedule, by name or id; raises ScheduleNotFoundError."""
    if isinstance(session, KeepsSchedules):
        return session.schedules.read(which, organization_id=organization_id)
    column = Schedule.id if isinstance(which, UUID) else Schedule.name
    found = await session.scalar(select(Schedule).where(Schedule.organization_id == organization_id, column == which))
    if found is None:
        raise _not_found(which)
    return schedule_view(found)


async def list_schedules(
    session: Session,
    *,
    organization_id: UUID,
    limit: int = 20,
    cursor: str | None = None,
    state: str | None = None,
) -> Page[ScheduleView]:
    """An organization's schedules, newest first; raises InvalidCursor, and ValueError for a state that is none."""
    wanted = None if state is None else check_choice("state", state, ScheduleState)
    check_id("organization_id", organization_id)
    if isinstance(session, KeepsSchedules):
        kept = session.schedules.all(organization_id=organization_id)
        return page_in_memory((one for one in kept if wanted in {None, one.state}), limit=limit, cursor=cursor)

    def fits(one: Any) -> list[ColumnElement[bool]]:
        return [] if wanted is None else [one.state == wanted]

    statement = select(Schedule).where(Schedule.organization_id == organization_id)
    page = await search_page(session, statement, fits, entity=Schedule, limit=limit, cursor=cursor)
    return Page(tuple(map(schedule_view, page.items)), page.next_cursor, page.looked_back_to)


async def list_fires(
    session: Session, schedule_id: UUID, *, organization_id: UUID, limit: int = 20, cursor: str | None = None
) -> Page[FireView]:
    """What became of a schedule's times, the latest first, for a month; raises ScheduleNotFoundError, InvalidCursor."""
    if isinstance(session, KeepsSchedules):
        kept = session.schedules.fires(schedule_id, organization_id=organization_id)
        return page_in_memory(kept, limit=limit, cursor=cursor)
    await read_schedule(session, schedule_id, organization_id=organization_id)
    statement = select(ScheduleFire).where(
        ScheduleFire.schedule_id == schedule_id, ScheduleFire.organization_id == organization_id
    )
    page = await fetch_page(session, statement, key=ScheduleFire.id, limit=limit, cursor=cursor)
    views = [FireView(**{name: getattr(fire, name) for name in FireView.__struct_fields__}) for fire in page.items]
    return Page(tuple(views), page.next_cursor)


def preview(
    when: When,
    after: datetime,
    count: int = 5,
    *,
    starts: datetime | None = None,
    ends: datetime | None = None,
) -> Preview:
    """In English and by its next times, at most 100, when a schedule of these times would fire after that moment.

    Raises ScheduleError: `count`, `after` or a bound cannot be.
    """
    try:
        check_whole("count", count, least=1, most=MOST_PREVIEWED)
    except ValueError as error:
        raise ScheduleError("count", str(error).removeprefix("count ")) from None
    moment = check_moment("after", after)
    draft = draft_of("preview", when, starts=starts, ends=ends)
    rule = Rule(when, draft.starts or moment, draft.starts, draft.ends)
    return Preview(in_words=when.in_words, next_fires=list(islice(_times(rule, moment), count)))


def _times(rule: Rule, moment: datetime) -> Iterator[datetime]:
    following = rule.after(moment)
    while following is not None:
        yield following
        following = rule.after(following)


async def _find(
    session: AsyncSession, which: str | UUID, organization_id: UUID, *, also_ended: bool = False
) -> "Row[Any]":
    """Its row, locked: whoever fires it at this moment is done with it then."""
    by_id = isinstance(which, UUID)
    values: Mapping[str, Any] = {
        "organization_id": organization_id,
        "id": which if by_id else None,
        "name": None if by_id else which,
    }
    found = (await session.execute(_sql.FIND_TO_CHANGE, values)).one_or_none()
    if found is None:
        raise _not_found(which)
    if found.state == ScheduleState.ENDED and not also_ended:
        raise ScheduleEndedError(f"the schedule {shown(found.name)} has no times left")
    return found


async def _told(session: AsyncSession, act: str, before: "Row[Any] | None", after: "Row[Any] | None") -> ScheduleView:
    """Put an act down, without what it asks for, and answer the schedule as it is since, or was."""
    views = [None if row is None else schedule_view(row) for row in (before, after)]
    view = views[1] or views[0]
    assert view is not None  # noqa: S101 - one of them is there, for mypy
    was, now = (None if one is None else _facts(one) for one in views)
    kind = f"schedule.{act}"
    await log_operation(session, kind, view.id, organization_id=view.organization_id, before=was, after=now)
    return view


def _facts(view: ScheduleView) -> dict[str, Any]:
    """What somebody decides of a schedule, and what its times did to it."""
    kept = msgspec.to_builtins(view)
    return {name: value for name, value in kept.items() if name not in _BESIDE}


def _not_found(which: str | UUID) -> ScheduleNotFoundError:
    return ScheduleNotFoundError(f"there is no schedule {shown(which)}")
