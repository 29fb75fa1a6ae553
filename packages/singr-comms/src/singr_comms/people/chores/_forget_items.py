"""The chore that takes away what has been in inboxes for long."""

from datetime import timedelta
from functools import partial
from typing import ClassVar, Final

from singr_comms.people.inbox import forget_items
from singr_db.chores import DatabaseChore

_AT_ONCE: Final = 200
# What its notification's messages are asked about by is kept for less; an inbox is a shelf, not an archive.
_KEPT: Final = timedelta(days=180)


class ForgetItems(DatabaseChore):
    """Items of inboxes that came half a year ago go, read or not; counts are those of what is left."""

    name: ClassVar = "forgetting old items of inboxes"
    seen_as: ClassVar = "inbox.forget"
    every = 60.0

    async def work(self) -> object:
        """Take away the oldest, some people's a transaction."""
        return await self.in_bites(partial(forget_items, kept=_KEPT, limit=_AT_ONCE), full=_AT_ONCE)
