"""One turn of messages' retention, by one process at a time; and what the next would do."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.notifications.retention._dropping import (
    TooManyError,
    clear_away,
    drop_week,
    refuse_uncounted,
)
from singr_comms.notifications.retention._notifications import Forgotten
from singr_comms.notifications.retention._times import Times
from singr_comms.notifications.retention._trimming import (
    FIRST,
    KEPT_ASIDE,
    LAST,
    Patience,
    Trimmed,
    is_due,
    trim,
)
from singr_db import Partition
from singr_db.retention import Connection, HeldUpError, server_time, weeks_of

TURN: Final = "*messages"
"""What one process at a time does."""
# Two minutes in all, so that none of the three stands in the way of the others.
_WEEKS_SECONDS: Final = 60.0
_ASIDE_SECONDS: Final = 30.0
_ASIDE_BITES: Final = 20
_NOTIFICATIONS_SECONDS: Final = 30.0


class MessageReport(msgspec.Struct, frozen=True):
    """What a turn did.

    Attributes:
        dropped: the weeks that went whole.
        moved: messages that outlived them.
        deleted: messages that went by themselves: of categories that are kept for a shorter time than others, or that
            had outlived their week until now.
        blanked: messages of which the words went, and that they were sent stays.
        notifications: that had ended, and went.
        held_up: of weeks that should have gone, why they stay.
        oldest: the start of the oldest week that is there.
    """

    dropped: tuple[str, ...] = ()
    moved: int = 0
    deleted: int = 0
    blanked: int = 0
    notifications: int = 0
    held_up: tuple[str, ...] = ()
    oldest: datetime | None = None


class _Turn:
    """A turn while it goes on."""

    def __init__(self, connection: Connection, times: Times, now: datetime) -> None:
        self._connection = connection
        self._times = times
        self._now = now
        self.patience = Patience(seconds=_WEEKS_SECONDS)
        self.dropped: list[str] = []
        self.held_up: list[str] = []
        self.moved = 0
        self.trimmed: list[Trimmed] = []

    async def week(self, span: Partition) -> None:
        """Drop a week, or go through it, where that is due."""
        passed = self._times.passed(span, self._now)
        if not await is_due(self._connection, span.name, passed, self._now):
            return
        values = self._times.values(self._now, span.end)
        try:
            if self._times.lets_go(span, self._now):
                await refuse_uncounted(self._connection, span)
            if self._times.is_over(span, self._now) and await self._drops(span, values):
                return
        except HeldUpError as error:
            self.held_up.append(f"{span.name}: {error}")
            return
        if self.patience.is_over:
            return
        bounds = (_before(span), span.upper)
        self.trimmed.append(
            await trim(self._connection, span.name, bounds, values, passed=passed, patience=self.patience)
        )

    async def aside(self) -> None:
        """Go on through what has outlived its week, or never had one."""
        values = self._times.values(self._now, None)
        patience = Patience(seconds=_ASIDE_SECONDS, bites=_ASIDE_BITES)
        self.trimmed.append(
            await trim(self._connection, KEPT_ASIDE, (FIRST, LAST), values, passed="", patience=patience)
        )

    async def _drops(self, span: Partition, values: dict[str, Any]) -> bool:
        try:
            self.moved += await drop_week(self._connection, span, values)
        except TooManyError:
            return False
        self.dropped.append(span.name)
        await clear_away(self._connection)
        return True


async def retain_messages(
    connection: Connection, times: Times, *, forgotten: Forgotten | None = None, now: datetime | None = None
) -> MessageReport:
    """Let go of what messages say, and of messages, whose time is over; oldest first.

    May end anywhere, and goes on from there when called again.

    Args:
        connection: in autocommit, as `retaining(…, TURN)` lends it.
        times: how long messages are kept.
        forgotten: up to when notifications were gone through in turns before; all are, unless given.
        now: instead of the database's own time.
    """
    now = now or await server_time(connection)
    await clear_away(connection)
    turn = _Turn(connection, times, now)
    weeks = await weeks_of(connection, "messages")
    for span in weeks:
        if span.end + times.soonest > now:
            break
        await turn.week(span)
    await turn.aside()
    patience = Patience(seconds=_NOTIFICATIONS_SECONDS)
    notifications = await (forgotten or Forgotten()).forget(connection, times, now, patience)
    left = [span.start for span in weeks if span.name not in turn.dropped]
    return MessageReport(
        dropped=tuple(turn.dropped),
        moved=turn.moved,
        deleted=sum(one.deleted for one in turn.trimmed),
        blanked=sum(one.blanked for one in turn.trimmed),
        notifications=notifications,
        held_up=tuple(turn.held_up),
        oldest=left[0] if left else None,
    )


def _before(span: Partition) -> UUID:
    """The id before the first of a week."""
    return UUID(int=span.lower.int - 1)
