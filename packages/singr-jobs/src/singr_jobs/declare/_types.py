"""Queues, priorities, states, backoff and rates."""

import random
import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, Self

from singr_jobs._plain import LONGEST_DELAY, shown
from singr_jobs.declare._checks import check_kind, check_seconds, check_whole, number
from singr_jobs.declare._errors import QueueError

QUEUE_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)
LONGEST_NAME: Final = 40
MOST_STARTS: Final = 1_000_000
SHORTEST_RATE: Final = 0.001
LONGEST_RATE: Final = 86_400
"""Seconds, as that before it: of rates that are given by code or operators for keys and queues."""
# Each queue is a thread of Dramatiq's and a label of metrics: a queue for each customer is not what they are for.
_MOST: Final = 100
_RULE: Final = f"lower-case words of letters and digits, joined by -, {LONGEST_NAME} characters at most, a letter first"


class Queue(StrEnum):
    """A queue: one per channel and purpose, each scaled and limited on its own."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    TWO_FACTOR = "two-factor"
    DIGEST = "digest"
    WEBHOOK = "webhook"
    MAINTENANCE = "maintenance"
    DEFAULT = "default"

    @classmethod
    def declare(cls, name: str) -> Self:
        """Declare a queue of a service's own, and return it; once declared, the name is as good as it is.

        Whoever enqueues into it, serves it or asks for it declares it first, as job types are: in a module that both
        sides import. Declaring it again changes nothing.

        Args:
            name: lower-case words of letters and digits, joined by `-`, a letter first, at most 40 characters:
                `billing-invoices`.

        Raises:
            QueueError: the name is badly spelt, one of the house's, or one too many for this process (100).
        """
        if name in _DECLARED:
            return cls(name)
        if not well_named(name):
            raise QueueError(f"{shown(name)} cannot be the name of a queue: it must be {_RULE}: billing-invoices")
        if name in _HOUSE:
            raise QueueError(f"the queue {name} is the house's own, and need not be declared: Queue({name!r})")
        if len(_DECLARED) >= _MOST:
            raise QueueError(f"the queue {name} is one too many: a process may declare {_MOST}")
        _DECLARED[name] = cls.stored(name)
        return cls(name)

    @classmethod
    def declared(cls) -> tuple[Self, ...]:
        """Every queue that may be named here: the house's, then those that were declared."""
        return (*cls, *map(cls, _DECLARED))

    @classmethod
    def stored(cls, name: str) -> Self:
        """The queue of a stored job, whoever put it there: also one that is declared in other processes only."""
        if name in _HOUSE or name in _DECLARED:
            return cls(name)
        other = str.__new__(cls, name)
        other._name_ = other._value_ = name
        return other

    @classmethod
    def _missing_(cls, value: object) -> Self:
        """The declared queue of that name; the enumeration asks for names that are none of its members."""
        declared = _DECLARED.get(value) if isinstance(value, str) else None
        if isinstance(declared, cls):
            return declared
        right = "declare it first, with Queue.declare" if well_named(value) else f"a name is {_RULE}"
        raise QueueError(f"there is no queue {shown(value)}: {right}; there are {', '.join(cls.declared())}")


_HOUSE: Final = frozenset(Queue)
# Queues that are no members of the enumeration, by name.
_DECLARED: dict[str, Queue] = {}


def well_named(name: object) -> bool:
    """Whether this could be the name of a queue."""
    return isinstance(name, str) and len(name) <= LONGEST_NAME and QUEUE_NAME.fullmatch(name) is not None


class Priority(IntEnum):
    """Which due job of a queue goes first; stored as the number, named over HTTP."""

    HIGH = 0
    NORMAL = 1
    LOW = 2


_PRIORITIES: Final = frozenset(Priority)


def check_priority(value: object) -> None:
    """One of those that there are, or its number."""
    if not isinstance(value, int) or isinstance(value, bool) or value not in _PRIORITIES:
        right = ", ".join(f"Priority.{one.name}" for one in Priority)
        raise ValueError(f"priority must be one of {right}, not {shown(value)}")


class JobStatus(StrEnum):
    """A job's status."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class OnFailure(StrEnum):
    """What happens to a flow when a member fails: it stops until that is settled, or continues regardless."""

    STOP = "stop"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Exponential:
    """Backoff that doubles: `first` seconds after the first failed attempt, then twice as long each time.

    Each delay is drawn from ±`jitter` around its value, so that jobs that failed together do not return together.
    """

    first: float = 2.0
    longest: float = 3600.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        check_seconds("backoff: longest", self.longest)
        check_seconds("backoff: first", self.first)
        if not 0 < self.first <= self.longest:
            raise ValueError(f"backoff: first must be above 0 and at most {self.longest} seconds, not {self.first}")
        if not 0 <= number(self.jitter) < 1:
            raise ValueError(f"backoff: jitter must be from 0 up to 1, not {shown(self.jitter)}")

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
        check_whole("rate: count", self.count, least=1)
        check_seconds("rate: seconds", self.seconds)


def check_rate(field: str, rate: object) -> None:
    """A rate as the tables keep it and every clock can count it; what is stored already may be another one.

    Raises ValueError, naming the part that is wrong: `rate.count`.
    """
    check_kind(field, rate, Rate, "a Rate, such as Rate(100, seconds=60)")
    assert isinstance(rate, Rate)  # noqa: S101 - it is one by then
    check_whole(f"{field}.count", rate.count, least=1, most=MOST_STARTS)
    if not SHORTEST_RATE <= rate.seconds <= LONGEST_RATE:
        limits = f"{SHORTEST_RATE} to {LONGEST_RATE} seconds"
        raise ValueError(f"{field}.seconds must be {limits}, as a number, not {shown(rate.seconds)}")


@dataclass(frozen=True, slots=True)
class Debounce:
    """A job is due once no other of its unique key has come for `seconds`, `longest` after the first at the latest.

    Without `longest` it is put off for as long as others come. Where both are the same, it is due at its first time,
    with what came last.
    """

    seconds: float
    longest: float | None = None

    def __post_init__(self) -> None:
        check_seconds("debounce: seconds", self.seconds, most=LONGEST_DELAY, zero=True)
        if self.longest is not None:
            check_seconds("debounce: longest", self.longest, most=LONGEST_DELAY, zero=True)
            if self.longest < self.seconds:
                raise ValueError(
                    f"debounce: longest must be at least its seconds, {self.seconds:g}, not {self.longest:g}"
                )


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
        check_whole("concurrency", self.concurrency, least=1)
        if self.rate is not None:
            check_kind("rate", self.rate, Rate, "a Rate, such as Rate(100, seconds=60)")
        if self.timeout is not None:
            check_seconds("timeout", self.timeout)
