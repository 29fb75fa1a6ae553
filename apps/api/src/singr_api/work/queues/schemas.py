"""What operators send and get for queues."""

from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from singr_api.work.shared import JobTypeName, RateCount, RateSeconds, Reason
from singr_jobs import Rate
from singr_jobs.queues import (
    HISTORY_MINUTES,
    LONGEST_HISTORY,
    OLDEST_WITHIN,
    RATES,
    QueueStanding,
    WorkerView,
)

QUEUE_PATH: Final = {
    "queue": {"type": "string", "maxLength": 40, "description": "The queue's name.", "examples": ["email"]}
}
_AtOnce = Annotated[int, Meta(ge=1, le=1_000_000)]


class QueueRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most this many jobs may start in this many seconds, across all processes."""

    count: RateCount
    seconds: RateSeconds = 60


class PauseQueue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose jobs to pause, and why.

    Attributes:
        organization_id: the jobs of this organization only; all by default.
        reason: for anybody who asks.
    """

    organization_id: UUID | None = None
    reason: Annotated[Reason, Meta(examples=["The provider is down."])] | None = None


class ResumeQueue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose jobs to resume.

    Attributes:
        organization_id: the jobs of this organization only; by default those of the queue as a whole.
    """

    organization_id: UUID | None = None


class ChangeQueue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings to change: a field left out stays unchanged, null resets it to the workers' environment.

    Attributes:
        organization_id: sets it for this organization only; for the whole queue by default.
        concurrency: how many jobs may run at once, across all processes.
        concurrency_per_organization: the same for each organization; not with `organization_id`.
        rate: how many jobs may start within a time, or a named rate: `sms` is 10 per second, `worker` 100 per minute.
        weight: how many turns the organization gets for each turn of others; only with `organization_id`.
    """

    organization_id: UUID | None = None
    concurrency: _AtOnce | UnsetType | None = UNSET
    concurrency_per_organization: _AtOnce | UnsetType | None = UNSET
    rate: QueueRate | Literal["sms", "worker"] | UnsetType | None = UNSET
    weight: Annotated[int, Meta(ge=1, le=1000)] | UnsetType | None = UNSET

    @property
    def as_rate(self) -> Rate | UnsetType | None:
        """The rate, as it is set."""
        if isinstance(self.rate, QueueRate):
            return Rate(self.rate.count, self.rate.seconds)
        return RATES[self.rate] if isinstance(self.rate, str) else self.rate


class HealthQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is healthy.

    Attributes:
        oldest_within: how many seconds a queue's oldest due job may have waited.
    """

    oldest_within: Annotated[int, Meta(ge=1, le=86_400)] = int(OLDEST_WITHIN)


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be told.

    Attributes:
        minutes: how many minutes, including the current one.
        type: only activity of this job type.
    """

    minutes: Annotated[int, Meta(ge=1, le=LONGEST_HISTORY)] = HISTORY_MINUTES
    type: JobTypeName | None = None


class QueueList(msgspec.Struct, frozen=True):
    """All queues."""

    items: tuple[QueueStanding, ...]


class WorkerList(msgspec.Struct, frozen=True):
    """Worker processes, the one that reported last first."""

    items: tuple[WorkerView, ...]
