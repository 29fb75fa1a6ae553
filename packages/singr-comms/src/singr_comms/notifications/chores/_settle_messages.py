from typing import ClassVar

from singr_comms.notifications._maintenance import SettleCursor, settle_messages
from singr_db import Database
from singr_db.chores import DatabaseChore


class SettleMessages(DatabaseChore):
    """What a sender left unsaid about messages is found out from their jobs."""

    name: ClassVar = "settling messages"
    every = 60.0

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self._cursor = SettleCursor()

    async def work(self) -> object:
        """Settle what has ended since the last turn."""
        return await settle_messages(self.db, cursor=self._cursor)
