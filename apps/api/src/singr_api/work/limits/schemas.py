"""What operators send and get for limits by key."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from singr_api.work.shared import RateCount, RateSeconds, Reason
from singr_jobs import Rate, TypeLimits

TYPE_PATH: Final = {
    "type": {"type": "string", "maxLength": 100, "description": "The job type's name.", "examples": ["billing.charge"]}
}


class KeyRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most this many jobs of a key may start in this many seconds, across all processes."""

    count: RateCount
    seconds: RateSeconds = 60


class ChangeLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits to set: a field left out stays unchanged, null resets it to what the type declares.

    Attributes:
        concurrency: how many jobs of a key may run at once; with 0, none start.
        rate: how fast jobs of a key may start.
        reason: for readers of the operation log.
    """

    concurrency: Annotated[int, Meta(ge=0, le=100_000)] | UnsetType | None = UNSET
    rate: KeyRate | UnsetType | None = UNSET
    reason: Annotated[Reason, Meta(examples=["The provider allows it now."])] | None = None

    @property
    def as_rate(self) -> Rate | UnsetType | None:
        """The rate, as it is set."""
        return Rate(self.rate.count, self.rate.seconds) if isinstance(self.rate, KeyRate) else self.rate


class LimitList(msgspec.Struct, frozen=True):
    """All job types whose keys have limits, by name."""

    items: tuple[TypeLimits, ...]
