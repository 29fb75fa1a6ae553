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
    """So many jobs may start in so many seconds, over all processes."""

    count: RateCount
    seconds: RateSeconds = 60


class PauseQueue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose jobs rest, and why.

    Attributes:
        organization_id: the jobs of this organization alone; everybody's, unless told.
        reason: for whoever wonders.
    """

    organization_id: UUID | None = None
    reason: Annotated[Reason, Meta(examples=["The provider is down."])] | None = None


class ResumeQueue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose jobs go on.

    Attributes:
        organization_id: the jobs of this organization alone; those of the queue as a whole, unless told.
    """

    organization_id: UUID | None = None


class ChangeQueue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be set: what is left out stays, null is what the environment of the workers says.

    Attributes:
        organization_id: for this organization alone; for the queue, unless told.
        concurrency: how many jobs may be in hand at once, over all processes.
        concurrency_per_organization: how many of one organization; not with `organization_id`.
        rate: how many may start in a time, or one that has a name: `sms` is 10 a second, `worker` 100 a minute.
        weight: how many turns the organization has for each turn of others; only with `organization_id`.
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
        oldest_within: for so many seconds a queue's oldest due job may wait.
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
    """Worker processes, the one that said something last first."""

    items: tuple[WorkerView, ...]
