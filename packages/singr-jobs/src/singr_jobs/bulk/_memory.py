"""Bulk actions on jobs in memory: what fits has its turn in the order of ids, by the rules of the database's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable
from uuid import UUID

import msgspec

from singr_db.pages import Page
from singr_jobs.bulk._errors import BulkActionEndedError, BulkActionNotFoundError
from singr_jobs.bulk._views import (
    TARGETS,
    BulkActionView,
    BulkExample,
    BulkFilter,
    BulkPreview,
    BulkProblem,
    key_held,
)
from singr_jobs.dead._errors import UniqueKeyHeldError
from singr_jobs.declare._types import Queue
from singr_jobs.declare._views import PRIORITY_NAMES
from singr_jobs.memory._job import MemoryJob
from singr_jobs.memory._pages import page_in_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singr_jobs.bulk._asking import BulkRequest
    from singr_jobs.dead._memory import MemoryLetters

_PROBLEMS: Final = 20
EXAMPLES: Final = 20


@runtime_checkable
class KeepsBulk(Protocol):
    """What stands in for a platform's session, and does bulk actions (see `singr_jobs.testing`)."""

    bulk: "MemoryBulk"


@dataclass
class MemoryBulk:
    """Bulk actions, by id.

    Attributes:
        jobs: those that there are, by id.
        letters: of those that failed for good.
        now: the time.
    """

    jobs: "Mapping[UUID, MemoryJob]"
    letters: "MemoryLetters"
    now: Callable[[], datetime]
    _all: dict[UUID, BulkActionView] = field(default_factory=dict)
    _left: dict[UUID, list[UUID]] = field(default_factory=dict)
    _next: dict[UUID, datetime] = field(default_factory=dict)

    def preview(self, request: "BulkRequest") -> BulkPreview:
        """As `preview_bulk`."""
        found = list(self._fitting(request))
        return BulkPreview(matching=len(found), counted="exact", examples=tuple(map(_example, found[:EXAMPLES])))

    def ask(self, request: "BulkRequest", reason: str | None) -> BulkActionView:
        """As `act_in_bulk`: what fits now has its turn once jobs are run."""
        ids = [one.id for one in self._fitting(request)]
        self._all[request.id] = BulkActionView(
            id=request.id,
            organization_id=request.organization_id,
            action=request.action,
            target=TARGETS[request.action],
            filter=request.which,
            priority=None if request.priority is None else PRIORITY_NAMES[request.priority],
            rate_per_minute=request.rate_per_minute,
            reason=reason,
            state="running",
            matching=len(ids),
            done=0,
            skipped=0,
            asked_at=self.now(),
        )
        self._left[request.id], self._next[request.id] = ids, self.now()
        return self._all[request.id]

    def stop(self, action_id: UUID, *, organization_id: UUID | None) -> BulkActionView:
        """As `stop_bulk`."""
        action = self.read(action_id, organization_id=organization_id)
        if action.state != "running":
            raise BulkActionEndedError(action.state)
        return self._change(action, state="stopped", finished_at=self.now())

    def read(self, action_id: UUID, *, organization_id: UUID | None) -> BulkActionView:
        """As `read_bulk`."""
        action = self._all.get(action_id)
        if action is None or organization_id not in {None, action.organization_id}:
            raise BulkActionNotFoundError(f"there is no bulk action {action_id}")
        return action

    def page(self, *, organization_id: UUID | None, limit: int, cursor: str | None) -> Page[BulkActionView]:
        """As `list_bulk`."""
        ours = [one for one in self._all.values() if organization_id in {None, one.organization_id}]
        return page_in_memory(ours, limit=limit, cursor=cursor)

    def next_at(self) -> datetime | None:
        """When an action has its next turn; None where none is under way."""
        return min((self._next[one.id] for one in self._all.values() if one.state == "running"), default=None)

    def work(self) -> None:
        """Take all turns that are due."""
        for action_id in list(self._all):
            while self._all[action_id].state == "running" and self._next[action_id] <= self.now():
                self._turn(self._all[action_id])

    def _turn(self, action: BulkActionView) -> None:
        left = self._left[action.id]
        was_done, problem = self._act(action, left.pop(0)) if left else (False, None)
        if problem is not None:
            problems = (*action.problems, problem)[:_PROBLEMS]
            action = self._change(action, skipped=action.skipped + 1, problems=problems)
        action = self._change(action, done=action.done + was_done)
        if not left:
            self._change(action, state="done", finished_at=self.now())
        if action.rate_per_minute is not None:
            self._next[action.id] += timedelta(minutes=1 / action.rate_per_minute)

    def _act(self, action: BulkActionView, one: UUID) -> tuple[bool, BulkProblem | None]:
        """Do it to one; answers whether it was done, or why not. What has ended or is settled meanwhile stays so."""
        if action.target == "dead_letters":
            letter = self.letters.read(one, organization_id=None)
            if letter.state != "open":
                return False, None
            settle = self.letters.requeue if action.action == "requeue" else self.letters.discard
            try:
                settle(one, organization_id=None)
            except UniqueKeyHeldError as error:
                return False, key_held(one, letter.job_id, error.job_id)
            return True, None
        job = self.jobs[one]
        if not job.is_unfinished:
            return False, None
        if action.action == "cancel":
            job.cancel(self.now())
        else:
            job.priority = next(number for number, name in PRIORITY_NAMES.items() if name == action.priority)
        return True, None

    def _fitting(self, request: "BulkRequest") -> Iterator[Any]:
        """What fits, in the order of ids."""
        which, of_letters = request.which, TARGETS[request.action] == "dead_letters"
        every: Any = self.letters.all() if of_letters else self.jobs.values()
        fits = _letter_fits if of_letters else _job_fits
        for one in sorted(every, key=lambda one: one.id):
            asked = (
                (request.organization_id, one.organization_id),
                (which.type, one.type),
                (which.queue, str(one.queue)),
            )
            ours = request.types is None or one.type in request.types
            if ours and all(wanted in {None, value} for wanted, value in asked) and fits(request, which, one):
                yield one

    def _change(self, action: BulkActionView, **changes: Any) -> BulkActionView:
        self._all[action.id] = msgspec.structs.replace(action, **changes)
        return self._all[action.id]


def _letter_fits(_request: "BulkRequest", which: BulkFilter, letter: Any) -> bool:
    if letter.state != "open" or which.error_code not in {None, letter.error.code}:
        return False
    after = which.failed_after is None or letter.failed_at >= which.failed_after
    before = which.failed_before is None or letter.failed_at < which.failed_before
    return after and before and which.fingerprint in {None, letter.fingerprint}


def _job_fits(request: "BulkRequest", which: BulkFilter, job: MemoryJob) -> bool:
    after = which.created_after is None or job.created_at >= which.created_after
    before = which.created_before is None or job.created_at < which.created_before
    wanted = not job.cancel_requested if request.action == "cancel" else job.priority != request.priority
    return job.is_unfinished and after and before and wanted


def _example(one: Any) -> BulkExample:
    queue = Queue.stored(str(one.queue))
    return BulkExample(id=one.id, organization_id=one.organization_id, type=one.type, queue=queue, error=one.error)
