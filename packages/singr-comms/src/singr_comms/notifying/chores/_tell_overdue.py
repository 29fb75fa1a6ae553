"""The chore that tells of notifications that do not end; nobody can pause it, so it sees that others are paused."""

from datetime import timedelta
from typing import ClassVar, Final

from singr_config.clock import clock
from singr_db import Database, first_id, sql_text
from singr_db.chores import Chore
from singr_observability import Metrics, get_logger

_TOO_LONG: Final = timedelta(days=1)
_MOST: Final = 1_000
_IS_OVERDUE: Final = """paused_at IS NULL AND coalesce(send_at, created_at) < now() - CAST(:too_long AS interval)
       AND (per_minute IS NULL OR updated_at < now() - interval '1 hour')"""
# Whoever paused one knows that it waits, and one with a rate may take days: it is at work while it goes on. Of those
# that wait for their time an index has these times, of those that are sent the times that ids carry: nothing is read
# that is not due.
OVERDUE: Final = sql_text(f"""
SELECT id, state FROM (
    (SELECT id, state FROM notifications WHERE state IN ('scheduled', 'deciding') AND {_IS_OVERDUE}
      ORDER BY coalesce(send_at, created_at) LIMIT :limit)
    UNION ALL
    (SELECT id, state FROM notifications WHERE state = 'sending' AND id < :before AND {_IS_OVERDUE}
      ORDER BY id LIMIT :limit)) AS overdue
 ORDER BY id LIMIT :limit
""")  # noqa: S608 - constants
_log = get_logger("comms.notifications")


class OverdueNotifications(Chore):
    """Tells how many notifications have been due for more than a day and have not ended, of the oldest 1,000.

    Args:
        db: the database.
        metrics: where it is told, as `singr_notifications_overdue`.
    """

    name: ClassVar = "telling of notifications that do not end"
    every = 60.0

    def __init__(self, db: Database, metrics: Metrics) -> None:
        self._db = db
        self._gauge = metrics.notifications_overdue
        self._gauge.set(0.0)
        self._is_said = False

    async def work(self) -> int:
        """Look once; answers how many."""
        values = {"before": first_id(clock.now() - _TOO_LONG), "too_long": _TOO_LONG, "limit": _MOST}
        async with self._db.platform() as session:
            rows = (await session.execute(OVERDUE, values)).all()
        self._gauge.set(float(len(rows)))
        if rows and not self._is_said:
            _log.warning(
                "{} notifications have been due for more than a day and have not ended, such as {} ({}): their messages"
                " or their jobs wait, or notifications.see_off is paused",
                len(rows),
                rows[0].id,
                rows[0].state,
            )
        self._is_said = bool(rows)
        return len(rows)
