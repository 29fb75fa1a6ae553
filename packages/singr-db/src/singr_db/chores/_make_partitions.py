"""The chore that makes partitions ahead of their weeks."""

from typing import ClassVar

from singr_db.chores._chore import DatabaseChore
from singr_observability import get_logger

_log = get_logger("db.partitions")


class MakePartitions(DatabaseChore):
    """The coming weeks' partitions exist before their first row does, however long the worker runs."""

    name: ClassVar = "making partitions"
    every = 24 * 3600.0

    async def work(self) -> object:
        """Make those that are missing, and tell of those that somebody has detached or that would take too long."""
        report = await self.db.ensure_partitions()
        for week in report.left:
            _log.warning(
                "too many rows of {} lie in {}_default to move them while others wait: run singr-db upgrade at a quiet"
                " hour; until then they are found where they are",
                week.name,
                week.parent,
            )
        for week in report.detached:
            _log.warning("{}", week.attaching)
        return report
