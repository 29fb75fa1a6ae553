"""Asking for bulk actions, looking what they would do, and stopping them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import select

from singr_db import PlatformSession, TenantSession, new_id, sql_text
from singr_db.operation_log import actor_of, checked_reason, log_operation
from singr_db.pages import Page, fetch_page
from singr_db.tables import BulkAction
from singr_jobs.bulk._errors import BulkActionEndedError, BulkActionError, BulkActionNotFoundError
from singr_jobs.bulk._memory import KeepsBulk
from singr_jobs.bulk._views import (
    TARGETS,
    BulkActionView,
    BulkFilter,
    BulkKind,
    BulkPreview,
    action_view,
    example_of,
)
from singr_jobs.bulk._walk import count, look
from singr_jobs.declare._checks import check_id, check_kind, check_moments, check_texts, check_whole
from singr_jobs.declare._job_types import check_name
from singr_jobs.declare._types import Priority, Queue
from singr_jobs.memory._sessions import ReadsMemory, ours_of

COUNTED: Final = 10_000
"""So many rows are looked through before the answer."""
EXAMPLES: Final = 20
UNREASONED: Final = 100
"""More than so many are discarded for a reason alone."""
FASTEST: Final = 30_000
"""The highest rate, by the minute; without one it goes as quickly as it can."""

Session = TenantSession | PlatformSession | ReadsMemory
_OF_LETTERS: Final = ("error_code", "fingerprint", "failed_after", "failed_before")
_OF_JOBS: Final = ("created_after", "created_before")
_TIMES: Final = ("failed_after", "failed_before", "created_after", "created_before")
_NOW: Final = sql_text("SELECT now()", roles=("platform", "tenant"))
_STOP: Final = sql_text("""
UPDATE bulk_actions SET state = 'stopped', stopped_by = :by, finished_at = now()
 WHERE id = :id AND state IN ('counting', 'running') RETURNING id
""")


class BulkRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, checked.

    Attributes:
        organization_id: on whose jobs; None: on all organizations'.
        types: what else is left alone: jobs of other types than these; None: of no type.
        priority: what `reprioritize` gives.
        rate_per_minute: how many have their turn in a minute at most.
    """

    action: BulkKind
    which: BulkFilter
    organization_id: UUID | None
    types: tuple[str, ...] | None = None
    priority: Priority | None = None
    rate_per_minute: int | None = None
    reason: str | None = None
    id: UUID = msgspec.field(default_factory=new_id)
    asked_at: datetime | None = None

    def check(self) -> None:
        """Raise BulkActionError where it cannot be."""
        if self.action not in list(TARGETS):  # a list asks of nothing that it has a hash
            raise BulkActionError("action", f"must be one of {', '.join(TARGETS)}")
        if (self.action == "reprioritize") != (self.priority is not None):
            raise BulkActionError("priority", "can only be sent with reprioritize")
        with _named():
            if self.priority is not None:
                check_kind("priority", self.priority, Priority, "a Priority")
            if self.rate_per_minute is not None:
                check_whole("rate_per_minute", self.rate_per_minute, least=1, most=FASTEST)
            check_id("organization_id", self.organization_id)
        self._check_filter()

    def _check_filter(self) -> None:
        target, other = TARGETS[self.action], _OF_JOBS if TARGETS[self.action] == "dead_letters" else _OF_LETTERS
        for name in other:
            if getattr(self.which, name) is not None:
                raise BulkActionError(f"filter.{name}", f"does not apply to {target.replace('_', ' ')}")
        with _named():
            check_moments(self.which, *_TIMES, within="filter.")
            check_texts(self.which, "error_code", "fingerprint", within="filter.")
        try:
            if self.which.type is not None:
                check_name(self.which.type)
        except ValueError as error:
            raise BulkActionError("filter.type", str(error)) from None
        try:
            if self.which.queue is not None:
                Queue(self.which.queue)
        except ValueError as error:
            raise BulkActionError("filter.queue", str(error)) from None
        ends_work = self.action in {"discard", "cancel"}
        if not self.which.is_narrow and (ends_work or self.organization_id is None):
            words = (
                "must name a type, a queue, an error code or a fingerprint: without any it would apply to everything"
            )
            raise BulkActionError("filter", words, code="filter-too-wide")


@contextmanager
def _named() -> Iterator[None]:
    """What a check says, by its field."""
    try:
        yield
    except ValueError as error:
        field, _, message = str(error).partition(" ")
        raise BulkActionError(field, message) from None


async def preview_bulk(session: Session, action: BulkRequest) -> BulkPreview:
    """How many an action would concern now, and which first; looks through 10,000 rows, and changes nothing.

    Raises BulkActionError.
    """
    action.check()
    if isinstance(session, ReadsMemory):
        ours = ours_of(session, action.organization_id)
        return session.reading.bulk.preview(msgspec.structs.replace(action, organization_id=ours))
    asked = await _at(session, action)
    matching, looked = await count(session, asked, action.which, after=None, rows=COUNTED)
    examples = await look(session, asked, action.which, after=None, rows=COUNTED) if matching else None
    return BulkPreview(
        matching=matching,
        counted="at_least" if looked.ended_early else "exact",
        examples=tuple(example_of(row) for row in examples.fitting[:EXAMPLES]) if examples else (),
    )


async def act_in_bulk(session: PlatformSession | KeepsBulk, action: BulkRequest) -> BulkActionView:
    """Ask for an action on all that fits now; workers do it, bite by bite, each of them once.

    Raises:
        BulkActionError: it cannot be, would concern all, or discards more than 100 without a reason.
        ReasonError: the reason is no line of at most 1,000 characters.
    """
    reason = checked_reason(action.reason)
    action.check()
    if isinstance(session, KeepsBulk):
        _check_reasoned(action, session.bulk.preview(action).matching)
        return session.bulk.ask(action, reason)
    asked = await _at(session, action)
    matching, looked = await count(session, asked, action.which, after=None, rows=COUNTED)
    _check_reasoned(action, matching)
    row = BulkAction(
        id=action.id,
        organization_id=action.organization_id,
        action=action.action,
        filter=msgspec.to_builtins(action.which),
        types=None if action.types is None else list(action.types),
        priority=None if action.priority is None else int(action.priority),
        rate_per_minute=action.rate_per_minute,
        reason=reason,
        state="counting" if looked.ended_early else "running",
        matching=matching,
        at_id=looked.last if looked.ended_early else None,
        asked_by=actor_of(session),
        asked_at=asked.asked_at,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    made = action_view(row)
    told = {"action": made.action, "filter": made.filter, "matching": made.matching, "priority": made.priority}
    await log_operation(
        session, "bulk.ask", made.id, organization_id=made.organization_id, after=told, reason=made.reason
    )
    return made


def _check_reasoned(action: BulkRequest, matching: int) -> None:
    if action.action == "discard" and matching > UNREASONED and action.reason is None:
        raise BulkActionError("reason", f"must say why: this discards more than {UNREASONED}")


async def stop_bulk(
    session: PlatformSession | KeepsBulk, action_id: UUID, *, organization_id: UUID | None
) -> BulkActionView:
    """Stop an action: the bite under way is done, and no other follows.

    Raises BulkActionNotFoundError, and BulkActionEndedError where it is done or stopped.
    """
    if isinstance(session, KeepsBulk):
        return session.bulk.stop(action_id, organization_id=organization_id)
    before = await read_bulk(session, action_id, organization_id=organization_id)
    stopped = await session.scalar(_STOP, {"id": action_id, "by": actor_of(session)})
    if stopped is None:
        raise BulkActionEndedError((await read_bulk(session, action_id, organization_id=organization_id)).state)
    after = await read_bulk(session, action_id, organization_id=organization_id)
    await log_operation(
        session,
        "bulk.stop",
        action_id,
        organization_id=after.organization_id,
        before={"state": before.state},
        after={"state": after.state, "done": after.done},
    )
    return after


async def read_bulk(session: Session, action_id: UUID, *, organization_id: UUID | None) -> BulkActionView:
    """An action, and how far it is; raises BulkActionNotFoundError."""
    if isinstance(session, ReadsMemory):
        return session.reading.bulk.read(action_id, organization_id=ours_of(session, organization_id))
    statement = select(BulkAction).where(BulkAction.id == action_id).execution_options(populate_existing=True)
    if organization_id is not None:
        statement = statement.where(BulkAction.organization_id == organization_id)
    row = await session.scalar(statement)
    if row is None:
        raise BulkActionNotFoundError(f"there is no bulk action {action_id}")
    return action_view(row)


async def list_bulk(
    session: Session, *, organization_id: UUID | None, limit: int, cursor: str | None = None
) -> Page[BulkActionView]:
    """Actions, the latest first; raises InvalidCursor, and ValueError for an organization that none is."""
    check_id("organization_id", organization_id)
    if isinstance(session, ReadsMemory):
        ours = ours_of(session, organization_id)
        return session.reading.bulk.page(organization_id=ours, limit=limit, cursor=cursor)
    statement = select(BulkAction)
    if organization_id is not None:
        statement = statement.where(BulkAction.organization_id == organization_id)
    page = await fetch_page(session, statement, key=BulkAction.id, limit=limit, cursor=cursor)
    return Page(tuple(map(action_view, page.items)), page.next_cursor)


async def _at(session: TenantSession | PlatformSession, action: BulkRequest) -> Any:
    """The action as asked for at this moment of the database's clock."""
    now = await session.scalar(_NOW)
    return msgspec.structs.replace(action, asked_at=now)
