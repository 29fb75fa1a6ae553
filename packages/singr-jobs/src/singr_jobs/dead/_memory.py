"""Dead letters of jobs in memory, settled by the rules of the database's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from uuid import UUID

import msgspec

from singr_db import new_id
from singr_db.ending import fingerprint
from singr_jobs.dead._errors import DeadLetterNotFoundError, DeadLetterSettledError, UniqueKeyHeldError
from singr_jobs.dead._views import DeadLetterState, DeadLetterView
from singr_jobs.declare._types import JobStatus, Queue

if TYPE_CHECKING:
    from singr_jobs.testing import MemoryJob


@runtime_checkable
class KeepsLetters(Protocol):
    """What stands in for a database session, and has dead letters of its own (see `singr_jobs.testing`)."""

    letters: "MemoryLetters"


@dataclass
class MemoryLetters:
    """Dead letters, by id, oldest first.

    Attributes:
        now: the time.
        find: gives a job by its id.
        holder: gives the unfinished job that holds the key which a job needs.
    """

    now: Callable[[], datetime]
    find: Callable[[UUID], "MemoryJob"]
    holder: Callable[[Any], UUID | None]
    _all: dict[UUID, DeadLetterView] = field(default_factory=dict)

    def mourn(self, job: "MemoryJob") -> None:
        """Keep the letter of a job that failed for good."""
        assert job.error is not None  # noqa: S101 - it has failed
        letter = DeadLetterView(
            id=new_id(),
            organization_id=job.organization_id,
            job_id=job.id,
            type=job.type,
            queue=Queue.stored(job.queue),
            error=job.error,
            fingerprint=fingerprint(job.type, job.error.code, job.error.message),
            attempts=job.attempt,
            state="open",
            failed_at=self.now(),
        )
        self._all[letter.id] = letter

    def all(self, *, organization_id: UUID | None = None) -> list[DeadLetterView]:
        """The letters, the latest first."""
        kept = reversed(self._all.values())
        return [letter for letter in kept if organization_id in {None, letter.organization_id}]

    def is_given_up(self, job_id: UUID) -> bool:
        """Whether the last letter of a job was discarded."""
        states = [letter.state for letter in self._all.values() if letter.job_id == job_id]
        return bool(states) and states[-1] == "discarded"

    def requeue(self, letter_id: UUID, *, organization_id: UUID | None) -> DeadLetterView:
        """As `requeue`."""
        letter = self._open(letter_id, organization_id)
        job = self.find(letter.job_id)
        holder = self.holder(job)
        if holder is not None:
            raise UniqueKeyHeldError(holder)
        job.status, job.attempt, job.error, job.outage, job.run_at = JobStatus.PENDING, 0, None, None, self.now()
        return self._settle(letter, "requeued")

    def discard(self, letter_id: UUID, *, organization_id: UUID | None) -> DeadLetterView:
        """As `discard`."""
        return self._settle(self._open(letter_id, organization_id), "discarded")

    def _open(self, letter_id: UUID, organization_id: UUID | None) -> DeadLetterView:
        letter = self._all.get(letter_id)
        if letter is None or organization_id not in {None, letter.organization_id}:
            raise DeadLetterNotFoundError(f"there is no dead letter {letter_id}")
        if letter.state != "open":
            raise DeadLetterSettledError(letter.state)
        return letter

    def _settle(self, letter: DeadLetterView, state: DeadLetterState) -> DeadLetterView:
        settled = msgspec.structs.replace(letter, state=state, settled_at=self.now())
        self._all[letter.id] = settled
        return settled
