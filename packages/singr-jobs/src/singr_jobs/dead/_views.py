"""Dead letters as their organization sees them."""

from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

import msgspec

from singr_jobs.declare._types import Queue
from singr_jobs.declare._views import PRIORITY_NAMES, AnyQueue, AttemptView, JobError, LogLine, PriorityName, error_view

DeadLetterState: TypeAlias = Literal["open", "requeued", "discarded", "expired"]


class DeadLetterView(msgspec.Struct, frozen=True, kw_only=True):
    """A job that failed for good, without its payload; times are in UTC.

    `fingerprint` is the same for failures of one kind. `attempts` counts those since the job was created or last
    requeued.
    """

    id: UUID
    organization_id: UUID
    job_id: UUID
    type: str
    queue: AnyQueue
    error: JobError
    fingerprint: str
    attempts: int
    state: DeadLetterState
    failed_at: datetime
    settled_at: datetime | None = None
    settled_by: str | None = None

    def __post_init__(self) -> None:
        """Make a queue of its name, as a decoder finds it."""
        if type(self.queue) is str:
            msgspec.structs.force_setattr(self, "queue", Queue.stored(self.queue))


class DeadLetterDetail(DeadLetterView, frozen=True, kw_only=True):
    """A dead letter with its job's payload and the outcome of each attempt.

    `logs` is what the handler logged in these attempts, oldest first: the latest 256 KiB. An expired dead letter has no
    payload; a settled one has no log once its job has been deleted.
    """

    priority: PriorityName | None = None
    max_attempts: int | None = None
    unique_key: str | None = None
    correlation_id: str | None = None
    reference: str | None = None
    labels: tuple[str, ...] = ()
    created_at: datetime | None = None
    payload: Any = None
    history: list[AttemptView] = []
    logs: list[LogLine] = []
    logs_complete: bool = True


class DeadLetterPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some dead letters, the latest first.

    `looked_back_to` is present if a filter matches so few dead letters that the search ended before the page was full:
    everything back to then was looked through, and `next_cursor` continues from there.
    """

    items: tuple[DeadLetterView, ...]
    next_cursor: str | None = None
    looked_back_to: datetime | None = None


class DeadLetterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Open failures of one kind; `example` is the latest.

    `counted` is true if `count` is exact, and false if there are more.
    """

    fingerprint: str
    type: str
    error_code: str
    count: int
    counted: Literal["exact", "at_least"]
    first_at: datetime
    last_at: datetime
    example: DeadLetterView


class DeadLetterGroups(msgspec.Struct, frozen=True, kw_only=True):
    """Groups, the largest first; `complete` is false if there are more groups than returned.

    `looked_back_to` is present if there are so many kinds that the largest were determined from the latest dead letters
    only: it says how far back these were looked through.
    """

    groups: tuple[DeadLetterGroup, ...]
    complete: bool
    looked_back_to: datetime | None = None


def letter_view(row: Any) -> DeadLetterView:
    """A letter from anything with the columns of `_sql.COLUMNS` as attributes."""
    return DeadLetterView(**_plain(row))


def letter_detail(row: Any) -> DeadLetterDetail:
    """The same with its job and its history."""
    job = row.job if isinstance(row.job, dict) else {}
    known: dict[str, Any] = {
        name: job.get(name) for name in ("max_attempts", "unique_key", "correlation_id", "reference", "payload")
    }
    made = job.get("created_at")
    log = row.log or {"lines": [], "complete": True}
    return DeadLetterDetail(
        **_plain(row) | known,
        priority=PRIORITY_NAMES.get(job.get("priority")),  # type: ignore[arg-type] # None has no name either
        labels=tuple(job.get("labels") or ()),
        created_at=None if made is None else msgspec.convert(made, datetime),
        history=attempts_of(row.history),
        logs=msgspec.convert(log["lines"], list[LogLine]),
        logs_complete=log["complete"],
    )


def attempts_of(kept: Any) -> list[AttemptView]:
    """The attempts that a letter keeps, oldest first."""
    return [
        AttemptView(
            attempt=one["attempt"],
            outcome=one["outcome"],
            error=error_view(one["error"]),
            worker=one["worker"],
            started_at=msgspec.convert(one["started_at"], datetime | None),
            finished_at=msgspec.convert(one["finished_at"], datetime),
        )
        for one in kept
    ]


def _plain(row: Any) -> dict[str, Any]:
    same = {name: getattr(row, name) for name in DeadLetterView.__struct_fields__}
    return {**same, "error": error_view(row.error)}
