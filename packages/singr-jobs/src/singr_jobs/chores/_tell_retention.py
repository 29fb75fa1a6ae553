"""The chore that tells how retention goes; nobody can pause it, so it tells also while retention is paused."""

from typing import ClassVar, Final

from singr_config.clock import clock
from singr_db import PsycopgPool
from singr_db.chores import Chore
from singr_db.retention import Connection, last_turns, weeks_of
from singr_observability import Metrics

_TABLES: Final = ("jobs", "messages")


class TellRetention(Chore):
    """Tells how old the oldest weeks are and how the last turn ended, in whichever process that was.

    One process at a time has a turn: what each told of its own would stay as it was, hours after another put it right.

    Args:
        pool: the database's.
        metrics: where it is told.
    """

    name: ClassVar = "telling how retention goes"
    every = 60.0

    def __init__(self, pool: PsycopgPool, metrics: Metrics) -> None:
        self._pool = pool
        self._seconds = metrics.retention_seconds
        self._held_up = {"jobs": metrics.retention_held_up, "messages": metrics.messages_held_up}
        self._oldest = {"jobs": metrics.jobs_oldest_week, "messages": metrics.messages_oldest_week}
        for gauge in (self._seconds, *self._held_up.values(), *self._oldest.values()):
            gauge.set(0.0)

    async def work(self) -> None:
        """Look once."""
        async with self._pool.connection() as connection:
            turns = await last_turns(connection)
            ages = {table: await _age(connection, table) for table in _TABLES}
        for table in _TABLES:
            self._oldest[table].set(ages[table])
            if table in turns:
                self._held_up[table].set(turns[table].held_up)
        if "jobs" in turns:
            self._seconds.set(turns["jobs"].seconds)


async def _age(connection: Connection, table: str) -> float:
    """Seconds since the oldest week of a table began; 0 where there is none, or it is yet to come."""
    weeks = await weeks_of(connection, table)
    return max(0.0, (clock.now() - weeks[0].start).total_seconds()) if weeks else 0.0
