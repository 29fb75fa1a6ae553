"""Jobs as their organization sees them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from singr_jobs.declare._types import Priority, Queue

PRIORITY_NAMES: dict[int, Literal["high", "normal", "low"]] = {
    Priority.HIGH: "high",
    Priority.NORMAL: "normal",
    Priority.LOW: "low",
}


class JobError(msgspec.Struct, frozen=True):
    """Why an attempt or a job failed: a stable word for programs and a sentence for people."""

    code: str
    message: str


class JobView(msgspec.Struct, frozen=True):
    """A job as its organization sees it; times are UTC, `progress` is percent."""

    id: UUID
    organization_id: UUID
    type: str
    queue: Queue
    status: Literal["pending", "processing", "completed", "failed", "cancelled"]
    priority: Literal["high", "normal", "low"]
    progress: int
    attempt: int
    max_attempts: int
    run_at: datetime
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested: bool = False
    unique_key: str | None = None
    correlation_id: str | None = None
    payload: Any = None
    result: Any = None
    error: JobError | None = None


class AttemptView(msgspec.Struct, frozen=True):
    """One attempt that did not succeed."""

    attempt: int
    outcome: Literal["failed", "timed_out", "lost", "cancelled"]
    error: JobError | None
    worker: str | None
    started_at: datetime | None
    finished_at: datetime


class JobDetail(JobView, frozen=True):
    """A job with the history of its attempts."""

    attempts: list[AttemptView] = []
