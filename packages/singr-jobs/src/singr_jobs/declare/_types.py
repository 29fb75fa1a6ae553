"""Queues, priorities, states, backoff and rates."""

import random
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Queue(StrEnum):
    """The queues, one per channel and purpose; each is scaled and limited on its own."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    TWO_FACTOR = "two-factor"
    DIGEST = "digest"
    WEBHOOK = "webhook"
    MAINTENANCE = "maintenance"
    DEFAULT = "default"


class Priority(IntEnum):
    """Which due job of a queue goes first; stored as the number, named over HTTP."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


class JobStatus(StrEnum):
    """The states of a job as callers see them.

    In the table a pending job whose ticket is on its way stands as `dispatched`; callers see it as pending still.
    """

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Exponential:
    """Backoff that doubles: `first` seconds after the first failed attempt, then twice as long each time.

    Each delay is drawn from ±`jitter` around its value, so that jobs that failed together do not return together.
    """

    first: float = 2.0
    longest: float = 3600.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.longest:
            raise ValueError(f"backoff: first must be above 0 and at most {self.longest} seconds, not {self.first}")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"backoff: jitter must be from 0 up to 1, not {self.jitter}")

    def delay(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (1, 2, …)."""
        exact = min(self.longest, self.first * 2.0 ** min(attempt - 1, 62))
        return exact * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - spreads load, guards nothing


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` jobs of a queue start within `seconds`, over all worker processes together."""

    count: int
    seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.count < 1 or self.seconds <= 0:
            raise ValueError(f"rate: needs at least 1 job and a time above 0, not {self.count} per {self.seconds} s")


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How one worker process serves a queue.

    `concurrency` jobs run at once in it; `rate` says how fast jobs may start over all processes; `timeout` how
    many seconds one attempt may take, whatever the job itself allows.
    """

    concurrency: int = 10
    rate: Rate | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {self.concurrency}")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"timeout must be above 0 seconds, not {self.timeout}")
