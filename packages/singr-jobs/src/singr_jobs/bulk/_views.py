"""Bulk actions as those see them who ask for them."""

from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

import msgspec

from singr_jobs.declare._types import Queue
from singr_jobs.declare._views import PRIORITY_NAMES, AnyQueue, JobError, PriorityName, error_view

BulkKind: TypeAlias = Literal["requeue", "discard", "cancel", "reprioritize"]
BulkTarget: TypeAlias = Literal["dead_letters", "jobs"]
BulkState: TypeAlias = Literal["counting", "running", "done", "stopped"]
TARGETS: dict[str, BulkTarget] = {
    "requeue": "dead_letters",
    "discard": "dead_letters",
    "cancel": "jobs",
    "reprioritize": "jobs",
}


class BulkFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Matches what fits every part of it; a part left out fits anything.

    Error, fingerprint and time of failure apply to dead letters, the time of creation to jobs. Only unfinished jobs and
    open dead letters match.
    """

    type: str | None = None
    queue: str | None = None
    error_code: str | None = None
    fingerprint: str | None = None
    failed_after: datetime | None = None
    failed_before: datetime | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it says what the matter is, and not merely when."""
        return any(part is not None for part in (self.type, self.queue, self.error_code, self.fingerprint))


class BulkExample(msgspec.Struct, frozen=True, kw_only=True):
    """A job or dead letter that a bulk action would cover."""

    id: UUID
    organization_id: UUID
    type: str
    queue: AnyQueue
    error: JobError | None = None


class BulkPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a bulk action would cover now: how many, and the first 20 in order of processing.

    `counted` is true if `matching` is exact; otherwise counting stopped at 10,000 rows.
    """

    matching: int
    counted: Literal["exact", "at_least"]
    examples: tuple[BulkExample, ...]


class BulkProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why it could not be applied to one of them."""

    id: UUID
    job_id: UUID
    code: str
    message: str


def key_held(letter_id: UUID, job_id: UUID, holder: UUID | None) -> BulkProblem:
    """A letter was not given back, since another job holds the unique key that its job needs."""
    words = f"its unique key is held by the job {holder or 'of another'}"
    return BulkProblem(id=letter_id, job_id=job_id, code="unique-key-held", message=words)


class BulkActionView(msgspec.Struct, frozen=True, kw_only=True):
    """A bulk action and its progress.

    It covers everything that matched its filter at `asked_at`, each once. `matching` is their number, though some may
    have ended before their turn; while it is still counting, there may be more. `done` counts those it was applied to,
    `skipped` those it could not be applied to; `problems` names the first 20 of these. Without an organization it
    covers all organizations.
    """

    id: UUID
    organization_id: UUID | None
    action: BulkKind
    target: BulkTarget
    filter: BulkFilter
    priority: PriorityName | None = None
    rate_per_minute: int | None = None
    reason: str | None = None
    state: BulkState
    matching: int
    done: int
    skipped: int
    problems: tuple[BulkProblem, ...] = ()
    asked_by: str | None = None
    asked_at: datetime
    stopped_by: str | None = None
    finished_at: datetime | None = None


def action_view(row: Any) -> BulkActionView:
    """A bulk action from its row."""
    same = {name: getattr(row, name) for name in BulkActionView.__struct_fields__ if name != "target"}
    return BulkActionView(
        **{
            **same,
            "target": TARGETS[row.action],
            "filter": msgspec.convert(row.filter, BulkFilter),
            "priority": None if row.priority is None else PRIORITY_NAMES[row.priority],
            "problems": msgspec.convert(row.problems, tuple[BulkProblem, ...]),
        }
    )


def example_of(row: Any) -> BulkExample:
    """An example from the row of a job or a dead letter."""
    return BulkExample(
        id=row.id,
        organization_id=row.organization_id,
        type=row.type,
        queue=Queue.stored(row.queue),
        error=error_view(row.error),
    )
