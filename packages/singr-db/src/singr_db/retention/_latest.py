"""Of which queues the latest jobs are: read once a turn, however many weeks there are."""

from collections import Counter
from collections.abc import Sequence

from singr_db._partitions import Partition
from singr_db.retention._rules import HAS_ENDED
from singr_db.retention._weeks import Connection

# So many of the latest jobs are looked at to find out of which queues enough is there without a week. Where a queue
# is so quiet that they do not tell, more of it is kept than was promised.
_LOOKED_AT = 100_000


class Latest:
    """How many of the latest jobs have ended, by queue and week; read when first asked for, the newest week first.

    Each week is asked by itself: across weeks PostgreSQL would sort all that there is, and not stop.

    Args:
        connection: in autocommit.
        weeks: all that there are, the oldest first.
    """

    def __init__(self, connection: Connection, weeks: Sequence[Partition]) -> None:
        self._connection = connection
        self._weeks = weeks
        self._by_week: dict[Partition, Counter[str]] | None = None

    async def after(self, week: Partition) -> Counter[str]:
        """Those of the weeks after one."""
        return await self.of([other for other in self._weeks if other.start > week.start])

    async def of(self, weeks: Sequence[Partition]) -> Counter[str]:
        """Those of some weeks."""
        if self._by_week is None:
            self._by_week = await self._read()
        return sum((self._by_week.get(week, Counter()) for week in weeks), Counter())

    async def _read(self) -> dict[Partition, Counter[str]]:
        found: dict[Partition, Counter[str]] = {}
        left = _LOOKED_AT
        for week in reversed(self._weeks):
            rows = await self._connection.execute(
                f"SELECT queue, count(*) FILTER (WHERE {HAS_ENDED}), count(*)"  # noqa: S608 - see Partition.name
                f" FROM (SELECT queue, status, finished_at FROM {week.name} ORDER BY id DESC LIMIT {left}) AS latest"
                " GROUP BY queue"
            )
            found[week] = Counter()
            for queue, ended, looked_at in await rows.fetchall():
                found[week][queue] = ended
                left -= looked_at
            if left <= 0:
                break
        return found
