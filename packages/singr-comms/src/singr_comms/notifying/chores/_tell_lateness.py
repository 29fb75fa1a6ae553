"""The chore that tells how late digests are; nobody can pause it, so it sees that closing them is paused."""

from typing import ClassVar, Final

from singr_db import Database, sql_text
from singr_db.chores import Chore
from singr_observability import Metrics, get_logger

# Of any type, whether this process knows it or not: the first of an index that holds only what is open.
LATE: Final = sql_text("""
SELECT coalesce(extract(epoch FROM now() - min(closes_at)), 0)::float8 FROM digest_windows
 WHERE closed_at IS NULL AND closes_at <= now()
""")
# A full queue or a pause of some minutes is no news; the alert waits as long.
_SAID_AFTER: Final = 600.0
_log = get_logger("comms.digests")


class DigestLateness(Chore):
    """Tells for how many seconds the oldest open digest has been due; 0 while none is.

    Args:
        db: the database.
        metrics: where it is told, as `singr_digests_late_seconds`.
    """

    name: ClassVar = "telling how late digests are"
    every = 15.0

    def __init__(self, db: Database, metrics: Metrics) -> None:
        self._db = db
        self._gauge = metrics.digests_late
        self._gauge.set(0.0)
        self._is_said = False

    async def work(self) -> float:
        """Look once; answers the seconds."""
        async with self._db.platform() as session:
            late = float(await session.scalar(LATE) or 0.0)
        self._gauge.set(late)
        if late > _SAID_AFTER and not self._is_said:
            _log.warning(
                "a digest has been due for {:.0f} s: digests.close is paused, its jobs wait (type digest.close),"
                " or no worker knows the type that it collects",
                late,
            )
        self._is_said = late > _SAID_AFTER
        return late
