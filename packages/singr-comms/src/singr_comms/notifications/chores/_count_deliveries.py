"""The chore that counts what became of messages, by the hour."""

from typing import ClassVar

from singr_comms.notifications.reading._counting import EVERY, count_deliveries
from singr_db.chores import DatabaseChore


class CountDeliveries(DatabaseChore):
    """What `GET /v1/statistics/deliveries` tells is a minute old, and of older messages a quarter of their age."""

    name: ClassVar = "counting deliveries"
    seen_as: ClassVar = "deliveries.count"
    every = EVERY

    async def work(self) -> object:
        """Count the hours that are due."""
        return await count_deliveries(self.db)
