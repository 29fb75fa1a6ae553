"""Dead letters of jobs in memory, found and settled by the rules of the database's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from uuid import UUID

import msgspec

from singr_db import new_id
from singr_db.ending import LINE_BYTES, LOG_BYTES, fingerprint
from singr_jobs.dead._errors import DeadLetterNotFoundError, DeadLetterSettledError, UniqueKeyHeldError
from singr_jobs.dead._groups import COUNTED, MOST_GROUPS
from singr_jobs.dead._views import (
    DeadLetterDetail,
    DeadLetterGroup,
    DeadLetterGroups,
    DeadLetterPage,
    DeadLetterState,
    DeadLetterView,
)
from singr_jobs.declare._types import Queue
from singr_jobs.declare._views import PRIORITY_NAMES, AttemptView, LogLine
from singr_jobs.memory._job import MemoryJob
from singr_jobs.memory._pages import page_in_memory

if TYPE_CHECKING:
    from singr_jobs.dead._filter import LetterFilter


@runtime_checkable
class KeepsLetters(Protocol):
    """What stands in for a platform's session, and has dead letters of its own (see `singr_jobs.testing`)."""

    letters: "MemoryLetters"


@dataclass
class MemoryLetters:
    """Dead letters, by id, oldest first.

    Attributes:
        now: the time.
        find: gives a job by its id.
        holder: lets a job hold the key that it needs; gives the job that holds it in its stead, if one does.
        again: is told of each job that is given back.
    """

    now: Callable[[], datetime]
    find: Callable[[UUID], MemoryJob]
    holder: Callable[[Any], UUID | None]
    again: Callable[[UUID], None] = lambda _: None
    _all: dict[UUID, DeadLetterDetail] = field(default_factory=dict)

    def mourn(self, job: MemoryJob) -> None:
        """Keep the letter of a job that failed for good."""
        assert job.error is not None  # noqa: S101 - it has failed
        logs = _latest(job.logs[job.logged_before :])
        letter = DeadLetterDetail(
            id=new_id(),
            organization_id=job.organization_id,
            job_id=job.id,
            type=job.type,
            queue=Queue.stored(job.queue),
            error=job.error,
            fingerprint=fingerprint(job.type, job.error.code, job.error.message),
            attempts=len(job.history),
            state="open",
            failed_at=self.now(),
            priority=PRIORITY_NAMES[job.priority],
            max_attempts=job.max_attempts,
            unique_key=job.unique_key,
            correlation_id=job.correlation_id,
            reference=job.reference,
            labels=job.labels,
            created_at=job.created_at,
            payload=job.payload,
            history=list(job.history),
            logs=logs,
            logs_complete=len(logs) == len(job.logs) - job.logged_before,
        )
        self._all[letter.id] = letter

    def all(self, *, organization_id: UUID | None = None) -> list[DeadLetterView]:
        """The letters, the latest first."""
        kept = reversed(self._all.values())
        return [_view(letter) for letter in kept if organization_id in {None, letter.organization_id}]

    def page(
        self, which: "LetterFilter", *, organization_id: UUID | None, limit: int, cursor: str | None
    ) -> DeadLetterPage:
        """As `dead_letters`."""
        ours = [one for one in self.all(organization_id=organization_id) if fits(which, one)]
        page = page_in_memory(ours, limit=limit, cursor=cursor)
        return DeadLetterPage(items=page.items, next_cursor=page.next_cursor)

    def groups(self, *, organization_id: UUID | None, job_type: str | None) -> DeadLetterGroups:
        """As `dead_letter_groups`."""
        kinds: dict[str, list[DeadLetterView]] = {}
        for letter in self.all(organization_id=organization_id):
            if letter.state == "open" and job_type in {None, letter.type}:
                kinds.setdefault(letter.fingerprint, []).append(letter)
        largest = sorted(kinds.values(), key=lambda alike: (len(alike), alike[0].failed_at), reverse=True)
        groups = tuple(_group(alike) for alike in largest[:MOST_GROUPS])
        return DeadLetterGroups(groups=groups, complete=len(kinds) <= MOST_GROUPS)

    def read(self, letter_id: UUID, *, organization_id: UUID | None) -> DeadLetterDetail:
        """As `read_dead_letter`."""
        letter = self._all.get(letter_id)
        if letter is None or organization_id not in {None, letter.organization_id}:
            raise DeadLetterNotFoundError(f"there is no dead letter {letter_id}")
        return letter

    def is_given_up(self, job_id: UUID) -> bool:
        """Whether the last letter of a job was discarded."""
        states = [letter.state for letter in self._all.values() if letter.job_id == job_id]
        return bool(states) and states[-1] == "discarded"

    def rounds_of(self, job_id: UUID) -> list[AttemptView]:
        """The attempts that a job had before it was requeued, oldest first."""
        kept = (one for one in self._all.values() if one.job_id == job_id and one.state == "requeued")
        return [attempt for letter in kept for attempt in letter.history]

    def requeue(self, letter_id: UUID, *, organization_id: UUID | None) -> DeadLetterView:
        """As `requeue`."""
        letter = self._open(letter_id, organization_id)
        job = self.find(letter.job_id)
        holder = self.holder(job)
        if holder is not None:
            raise UniqueKeyHeldError(holder)
        job.begin_anew(self.now())
        self.again(job.id)
        return self._settle(letter, "requeued")

    def discard(self, letter_id: UUID, *, organization_id: UUID | None) -> DeadLetterView:
        """As `discard`."""
        return self._settle(self._open(letter_id, organization_id), "discarded")

    def _open(self, letter_id: UUID, organization_id: UUID | None) -> DeadLetterDetail:
        letter = self.read(letter_id, organization_id=organization_id)
        if letter.state != "open":
            raise DeadLetterSettledError(letter.state)
        return letter

    def _settle(self, letter: DeadLetterDetail, state: DeadLetterState) -> DeadLetterView:
        settled = msgspec.structs.replace(letter, state=state, settled_at=self.now())
        self._all[letter.id] = settled
        return _view(settled)


def fits(which: "LetterFilter", letter: DeadLetterView) -> bool:
    """Whether a letter fits all that is asked."""
    told = {name: getattr(letter, name) for name in ("state", "type", "queue", "fingerprint", "job_id")}
    told["error_code"] = letter.error.code
    if any(getattr(which, name) not in {None, value} for name, value in told.items()):
        return False
    if which.failed_after is not None and letter.failed_at < which.failed_after:
        return False
    return which.failed_before is None or letter.failed_at < which.failed_before


def _latest(lines: list[LogLine]) -> list[LogLine]:
    """As many of them as a letter tells."""
    room, place = LOG_BYTES, len(lines)
    while place:
        line = lines[place - 1]
        room -= LINE_BYTES + len(line.message.encode())
        room -= 0 if line.fields is None else len(msgspec.json.encode(line.fields))
        if room < 0:
            break
        place -= 1
    return lines[place:]


def _view(letter: DeadLetterView) -> DeadLetterView:
    return DeadLetterView(**{name: getattr(letter, name) for name in DeadLetterView.__struct_fields__})


def _group(letters: list[DeadLetterView]) -> DeadLetterGroup:
    """What letters of one kind come to, the latest first."""
    latest = letters[0]
    return DeadLetterGroup(
        fingerprint=latest.fingerprint,
        type=latest.type,
        error_code=latest.error.code,
        count=min(len(letters), COUNTED),
        counted="exact" if len(letters) <= COUNTED else "at_least",
        first_at=letters[-1].failed_at,
        last_at=latest.failed_at,
        example=latest,
    )
