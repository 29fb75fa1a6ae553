"""The chore that gives messages the end that their job came to."""

from typing import ClassVar, Final

from singr_comms.notifications._maintenance import SettleCursor, settle_messages
from singr_db import Database
from singr_db.chores import DatabaseChore

# So many at every turn that a backlog of a hundred thousand is gone through in minutes, for some milliseconds each.
_AT_ONCE: Final = 2_000


class SettleMessages(DatabaseChore):
    """What a sender left unsaid about messages is found out from their jobs."""

    name: ClassVar = "settling messages"
    seen_as: ClassVar = "messages.settle"
    every = 5.0

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self._cursor = SettleCursor()

    async def work(self) -> object:
        """Settle what has ended since the last turn."""
        return await settle_messages(self.db, limit=_AT_ONCE, cursor=self._cursor)
