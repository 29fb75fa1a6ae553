"""The chore that brings back what people snoozed."""

from functools import partial
from typing import ClassVar, Final

from singr_comms.people.inbox import wake_snoozed
from singr_db.chores import DatabaseChore

_AT_ONCE: Final = 500


class WakeSnoozed(DatabaseChore):
    """Items of inboxes come back, unread, when they were snoozed until now."""

    name: ClassVar = "bringing back what is snoozed"
    seen_as: ClassVar = "inbox.wake"
    every = 15.0

    async def work(self) -> object:
        """Bring back what is due, some people's a transaction."""
        return await self.in_bites(partial(wake_snoozed, limit=_AT_ONCE), full=_AT_ONCE)
