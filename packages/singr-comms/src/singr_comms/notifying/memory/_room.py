"""How many messages there may be, in memory: to one reader in an hour, and of one organization in a day."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from singr_comms.catalogue import message_types
from singr_comms.channels import CHANNELS
from singr_comms.notifications._rows import normalized
from singr_comms.notifications.channels import WORK
from singr_comms.notifications.sending._quotas import ORGANIZATION_LIMIT, READERS, RECIPIENT_LIMIT, USER_LIMIT
from singr_config import LimitSettings
from singr_db import PLATFORM_ORGANIZATION_ID

_HOURLY: Final = "the {} was sent {} messages in this hour, which is the limit"
_DAILY: Final = "the organization sent {} messages on this day (UTC), which is the limit"


class Counted(Protocol):
    """What is counted: a message, or one that might be."""

    @property
    def organization_id(self) -> UUID:
        """Whose."""

    @property
    def channel(self) -> str:
        """By which."""

    @property
    def type(self) -> str:
        """What it would say."""

    @property
    def to(self) -> Any:
        """The address."""


@dataclass
class MemoryRoom:
    """Counts messages by the clock (UTC), as `Quotas` does; what text messages cost is not asked.

    Args:
        limits: how many there may be.
    """

    limits: LimitSettings
    counted: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def over(
        self, message: Counted, user_id: UUID | None, now: datetime, *, counts_it: bool = True
    ) -> tuple[str, str] | None:
        """Count a message that is to go, or look; code and words of the limit that holds it back, where one does."""
        work = WORK[message.channel]
        hourly, daily = work.per_hour(self.limits), work.per_day(self.limits)
        counts: list[tuple[str, ...]] = []
        if not message_types.concerns_security(message.type):
            for code, subject in _subjects(message, user_id):
                counts.append((*self._place(message), subject, f"{now:%Y-%m-%dT%H}"))
                if self.counted[counts[-1]] >= hourly:
                    return code, _HOURLY.format(READERS[code], hourly)
            if message.organization_id != PLATFORM_ORGANIZATION_ID:
                counts.append((*self._place(message), "all", f"{now:%Y-%m-%d}"))
                if self.counted[counts[-1]] >= daily:
                    return ORGANIZATION_LIMIT, _DAILY.format(daily)
        if counts_it:
            self.counted.update(counts)
        return None

    def _place(self, message: Counted) -> tuple[str, str]:
        return str(message.organization_id), message.channel


def _subjects(message: Counted, user_id: UUID | None) -> Iterator[tuple[str, str]]:
    """Who is counted as a message's reader, with the code of their limit; each kind of codes by itself."""
    codes = message_types.carries_code(message.type)
    context = message.type if codes else "other"
    if user_id is not None:
        yield USER_LIMIT, f"{context} user {user_id}"
    if user_id is None or not codes:
        address = normalized(CHANNELS[message.channel].address(message.to))
        yield RECIPIENT_LIMIT, f"{context} recipient {address}"
