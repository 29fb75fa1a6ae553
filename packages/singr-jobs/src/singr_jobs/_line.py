"""One queue's part of a runner: what it has in hand, and how much it wants."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from singr_jobs._context import JobContext
from singr_jobs._tickets import Ticket
from singr_jobs._types import Queue

# How many seconds of work a process keeps at hand where jobs are quick, and how many jobs at the most.
AHEAD_SECONDS = 0.25
AHEAD_JOBS = 4096
_MEASURE = 0.1


class ClaimedJob(msgspec.Struct):
    """A job whose attempt has begun, as the START statement returned it."""

    id: UUID
    token: int
    organization_id: UUID
    type: str
    payload: str
    attempt: int
    max_attempts: int
    backoff: float
    timeout: float
    unique: bool
    correlation_id: str | None
    traceparent: str | None
    leased_at: float = 0.0
    deadline: float = 0.0
    task: "asyncio.Task[None] | None" = None
    context: JobContext | None = None
    stop_reason: str | None = None


@dataclass(slots=True)
class Line:
    """The tickets, claimed jobs and running handlers of one queue in this process."""

    queue: Queue
    concurrency: int
    clock: Callable[[], float]
    tickets: deque[Ticket] = field(default_factory=deque)
    ready: deque[ClaimedJob] = field(default_factory=deque)
    running: int = 0
    in_hand: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _finished: int = 0
    _since: float = 0.0
    _per_second: float = 0.0
    claimer: asyncio.Task[Any] | None = None

    @property
    def target(self) -> int:
        """How many jobs to have in hand: as many as run at once, more where they end within moments."""
        now = self.clock()
        passed = now - self._since
        if passed >= _MEASURE:
            self._per_second = (self._per_second + self._finished / passed) / 2
            self._finished, self._since = 0, now
        return max(self.concurrency, min(AHEAD_JOBS, int(self._per_second * AHEAD_SECONDS)))

    @property
    def hungry(self) -> bool:
        """Whether more jobs should be claimed now."""
        return bool(self.tickets) and self.running + len(self.ready) < self.target

    def finished(self) -> None:
        """One handler ended."""
        self.running -= 1
        self._finished += 1
