"""Jobs as their organization sees them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias
from uuid import UUID

import msgspec

from singr_jobs._plain import plain_text
from singr_jobs.declare._types import LONGEST_NAME, QUEUE_NAME, JobStatus, Priority, Queue

if TYPE_CHECKING:
    AnyQueue = Queue
else:
    # As a schema and to a decoder any name: others declare queues that are none here.
    AnyQueue = Annotated[
        str,
        msgspec.Meta(
            description="The queue: a built-in one, or one that a service has declared.",
            extra_json_schema={"pattern": f"^{QUEUE_NAME.pattern}$", "maxLength": LONGEST_NAME},
        ),
    ]

PriorityName: TypeAlias = Literal["high", "normal", "low"]
AttemptOutcome: TypeAlias = Literal["failed", "timed_out", "lost", "cancelled"]

PRIORITY_NAMES: dict[int, PriorityName] = {
    Priority.HIGH: "high",
    Priority.NORMAL: "normal",
    Priority.LOW: "low",
}


class JobError(msgspec.Struct, frozen=True):
    """Why an attempt or a job failed: a stable code for programs and a sentence for people."""

    code: str
    message: str


class JobView(msgspec.Struct, frozen=True):
    """A job as its organization sees it; times are in UTC, `progress` is in percent, and `flow_id` is its flow.

    `reference` is the caller's reference for the job's subject, `labels` the caller's labels.
    """

    id: UUID
    organization_id: UUID
    type: str
    queue: AnyQueue
    status: JobStatus
    priority: PriorityName
    progress: int
    attempt: int
    max_attempts: int
    run_at: datetime
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested: bool = False
    unique_key: str | None = None
    concurrency_key: str | None = None
    correlation_id: str | None = None
    flow_id: UUID | None = None
    reference: str | None = None
    labels: tuple[str, ...] = ()
    payload: Any = None
    result: Any = None
    error: JobError | None = None

    def __post_init__(self) -> None:
        """Make a queue of its name, as a decoder finds it."""
        if type(self.queue) is str:
            msgspec.structs.force_setattr(self, "queue", Queue.stored(self.queue))


class AttemptView(msgspec.Struct, frozen=True):
    """One attempt that did not succeed."""

    attempt: int
    outcome: AttemptOutcome
    error: JobError | None
    worker: str | None
    started_at: datetime | None
    finished_at: datetime


class LogLine(msgspec.Struct, frozen=True):
    """A line that a handler logged during an attempt, with its structured fields."""

    id: UUID
    attempt: int
    at: datetime
    message: str
    fields: dict[str, Any] | None = None


class JobDetail(JobView, frozen=True):
    """A job with its attempt history.

    Attributes:
        replaced_by: the job that took over its unique key.
        schedule_id: the schedule that created it, as long as that is in the schedule's history.
    """

    replaced_by: UUID | None = None
    schedule_id: UUID | None = None
    attempts: list[AttemptView] = []


def job_view(stored: Any, *, began: datetime | None = None) -> JobView:
    """A job as its organization sees it, from anything with the columns of its row as attributes.

    `began` is when the attempt began that is under way: the job's row knows of it when it ends.
    """
    running = (
        {} if began is None else {"status": JobStatus.PROCESSING, "attempt": stored.attempt + 1, "started_at": began}
    )
    return JobView(
        **{
            **{name: getattr(stored, name) for name in JobView.__struct_fields__},
            "status": JobStatus(stored.status),
            **running,
            "queue": Queue.stored(stored.queue),
            "priority": PRIORITY_NAMES[stored.priority],
            "error": error_view(stored.error),
            "labels": tuple(stored.labels or ()),
        }
    )


def error_view(stored: object) -> JobError | None:
    """The error, whatever an earlier version stored: it must not hide the job."""
    if stored is None:
        return None
    try:
        return msgspec.convert(stored, JobError)
    except msgspec.ValidationError:
        known = stored if isinstance(stored, dict) else {"message": stored}
        return JobError(plain_text(known.get("code", "failed")), plain_text(known.get("message", "")))
