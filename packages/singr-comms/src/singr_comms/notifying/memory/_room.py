"""How many messages there may be, in memory: to one reader in an hour, and of one organization in a day."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.channels import CHANNELS
from singr_comms.notifications._rows import normalized
from singr_comms.notifications.channels import WORK
from singr_comms.notifications.sending._quotas import (
    ORGANIZATION_LIMIT,
    RECIPIENT_LIMIT,
    USER_LIMIT,
    by_mailbox,
    over_a_day,
    over_an_hour,
)
from singr_config import LimitSettings
from singr_config.mailboxes import mailbox_of
from singr_db import PLATFORM_ORGANIZATION_ID


class Counted(msgspec.Struct, frozen=True):
    """What a message counts as, or one that might be.

    Attributes:
        kind: the name of its type.
        to: its address, as the channel's providers take it.
        user_id: its reader's account, where they have one.
    """

    organization_id: UUID
    channel: str
    kind: str
    to: Any
    user_id: UUID | None


@dataclass
class MemoryRoom:
    """Counts messages by the clock (UTC), as `Quotas` does; what text messages cost is not asked.

    Args:
        limits: how many there may be.
    """

    limits: LimitSettings
    counted: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def over(self, one: Counted, now: datetime) -> tuple[str, str] | None:
        """Look, and count nothing: code and words of the limit that holds it back, where one does."""
        work = WORK[one.channel]
        hourly, daily = work.per_hour(self.limits), work.per_day(self.limits)
        for code, count in _counts(one, now):
            if code == ORGANIZATION_LIMIT and self.counted[count] >= daily:
                return over_a_day(daily)
            if code != ORGANIZATION_LIMIT and self.counted[count] >= hourly:
                return over_an_hour(code, hourly)
        return None

    def count(self, one: Counted, now: datetime) -> None:
        """Count one that goes."""
        self.counted.update(count for _, count in _counts(one, now))


def next_room(code: str, now: datetime) -> datetime:
    """When the hour or day is over whose limit has this code."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) + timedelta(days=1) if code == ORGANIZATION_LIMIT else hour + timedelta(hours=1)


def _counts(one: Counted, now: datetime) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Where it counts, with the code of the limit of each."""
    if message_types.concerns_security(one.kind):
        return
    place = str(one.organization_id), one.channel
    for code, subject in _subjects(one):
        yield code, (*place, subject, f"{now:%Y-%m-%dT%H}")
    if one.organization_id != PLATFORM_ORGANIZATION_ID:
        yield ORGANIZATION_LIMIT, (*place, "all", f"{now:%Y-%m-%d}")


def _subjects(one: Counted) -> Iterator[tuple[str, str]]:
    """Who is counted as a message's reader, with the code of their limit; each kind of codes by itself."""
    codes = message_types.carries_code(one.kind)
    context = one.kind if codes else "other"
    if one.user_id is not None:
        yield USER_LIMIT, f"{context} user {one.user_id}"
    if one.user_id is None or not codes:
        address = normalized(CHANNELS[one.channel].address(one.to))
        reader = mailbox_of(address) if by_mailbox(one.organization_id, one.channel, one.kind) else address
        yield RECIPIENT_LIMIT, f"{context} recipient {reader}"
