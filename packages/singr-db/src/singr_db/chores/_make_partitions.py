"""The chore that makes partitions ahead of their weeks."""

from typing import ClassVar

from singr_db.chores._chore import DatabaseChore


class MakePartitions(DatabaseChore):
    """The coming weeks' partitions exist before their first row does, however long the worker runs."""

    name: ClassVar = "making partitions"
    every = 24 * 3600.0

    async def work(self) -> object:
        """Make those that are missing."""
        return await self.db.ensure_partitions()
