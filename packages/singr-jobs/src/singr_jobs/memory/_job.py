"""One job in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_jobs.declare._types import JobStatus
from singr_jobs.declare._views import AttemptView, JobError, LogLine

WORKER: Final = "memory"
"""By which name a job in memory says who ran it."""


@dataclass(slots=True)
class MemoryJob:
    """One job in memory, as far as it has come.

    Attributes:
        job: what was enqueued, as a worker decodes it; None where it cannot.
        result: what the handler returned, as JSON gives it back.
        error: why its last attempt failed, as `read_job` tells it; None where that succeeded.
        errors: what was wrong with each attempt that did not succeed, in words.
        history: those attempts, since it was made or given back to its queue.
        logs: the lines that its handler wrote (`ctx.log`), of all attempts.
        logged_before: how many of them before it was given back to its queue.
        replaced_by: the job that took its place and its unique key (`enqueue(…, replace=True)`, or `debounce`).
        stop: while it runs, what cancels its attempt.
    """

    id: UUID
    organization_id: UUID
    type: str
    job: msgspec.Struct | None
    queue: str
    priority: int
    run_at: datetime
    created_at: datetime
    max_attempts: int
    timeout: float
    unique_key: str | None
    status: JobStatus = JobStatus.PENDING
    attempt: int = 0
    progress: int = 0
    result: object = None
    errors: list[str] = field(default_factory=list)
    error: JobError | None = None
    logs: list[LogLine] = field(default_factory=list)
    logged_before: int = field(default=0, repr=False)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested: bool = False
    flow_id: UUID | None = None
    history: list[AttemptView] = field(default_factory=list)
    worker: str | None = None
    replaced_by: UUID | None = None
    row: dict[str, Any] = field(default_factory=dict, repr=False)
    outage: str | None = field(default=None, repr=False)
    stop: Callable[[], None] | None = field(default=None, repr=False)

    @property
    def payload(self) -> Any:
        """What was enqueued, as JSON gives it back."""
        return msgspec.json.decode(self.row["payload"])

    @property
    def concurrency_key(self) -> str | None:
        """What it shares its type's limits with."""
        key: str | None = self.row.get("concurrency_key")
        return key

    @property
    def reference(self) -> str | None:
        """What its caller calls the matter."""
        reference: str | None = self.row.get("reference")
        return reference

    @property
    def labels(self) -> tuple[str, ...]:
        """What its caller sorts it by."""
        return tuple(self.row.get("labels") or ())

    @property
    def correlation_id(self) -> str | None:
        """The request that asked for it."""
        correlation: str | None = self.row.get("correlation_id")
        return correlation

    @property
    def is_unfinished(self) -> bool:
        """Whether it waits or runs."""
        return self.status in {JobStatus.PENDING, JobStatus.PROCESSING}

    def end(self, status: JobStatus, at: datetime) -> None:
        """It has ended so."""
        self.status, self.finished_at = status, at

    def cancel(self, at: datetime) -> None:
        """End it where it waits; where it runs, tell its attempt to stop."""
        if self.is_unfinished:
            self.cancel_requested = True
        if self.status is JobStatus.PENDING:
            self.end(JobStatus.CANCELLED, at)
        elif self.stop is not None:
            self.stop()

    def begin_anew(self, at: datetime) -> None:
        """Let it be tried again under its id, its attempts from one."""
        self.status, self.attempt, self.progress, self.run_at = JobStatus.PENDING, 0, 0, at
        self.result = self.error = self.outage = self.started_at = self.finished_at = self.worker = None
        self.cancel_requested, self.replaced_by = False, None
        self.history, self.logged_before = [], len(self.logs)
