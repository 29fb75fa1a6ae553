"""Ids: UUID version 7 (RFC 9562), whose order is the order of creation."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7  # noqa: TID251 — this is the one place that makes them

from singr_config.clock import clock

PLATFORM_ORGANIZATION_ID: Final = UUID("01920000-0000-7000-8000-000000000000")
"""The organization that what is the platform's own belongs to, such as messages to users about their accounts."""
_RANDOM_AND_VERSION_BITS: Final = 80
_LATEST: Final = 2**48 - 1


def new_id() -> UUID:
    """Make a UUID version 7: a millisecond timestamp, a counter and random bits.

    Ids made by one process ascend strictly, also within a millisecond; a forked child draws
    from fresh randomness. Ids of several processes are ordered as well as their clocks agree.

    Source: RFC 9562, section 5.7 and 6.2 (method 1).
    """
    made = uuid7()
    ahead = clock.ahead_ns() // 1_000_000
    return UUID(int=made.int + (ahead << _RANDOM_AND_VERSION_BITS)) if ahead else made


def first_id(moment: datetime, *, after: int = 0) -> UUID:
    """Give the lowest UUID that a version 7 id of this moment or later can be compared with.

    Args:
        moment: aware of its time zone; one that no id can be of is taken for the first or the last that one can.
        after: so many milliseconds later.
    """
    milliseconds = min(max(int(moment.timestamp() * 1000) + after, 0), _LATEST)
    return UUID(int=milliseconds << _RANDOM_AND_VERSION_BITS)


def made_at(made: UUID) -> datetime:
    """Give when a version 7 id was made (UTC), by its maker's clock."""
    return datetime.fromtimestamp((made.int >> _RANDOM_AND_VERSION_BITS) / 1000, UTC)
