"""A job in the hands of a worker."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec

from singr_jobs.declare._context import JobContext


class ClaimedJob(msgspec.Struct):
    """A job whose attempt has begun, as the statement returned it that took it."""

    id: UUID
    organization_id: UUID
    type: str
    payload: str
    attempt: int
    max_attempts: int
    backoff: float
    timeout: float
    followed: bool
    correlation_id: str | None
    traceparent: str | None
    outage: str | None
    cancel_requested: bool
    waited: float
    key: str | None = None
    token: int = 0
    taken_at: float = 0.0
    leased_at: float = 0.0
    deadline: float = 0.0
    task: "asyncio.Task[None] | None" = None
    begun: bool = False
    context: JobContext | None = None
    stop_reason: str | None = None
    interrupted_at: float = 0.0
    given_up: bool = False
    over: bool = False
    locked: bool = False
    at_once: bool = False
    late: bool = False
    share: Any = None
    lines: int = 0
    line_bytes: int = 0
