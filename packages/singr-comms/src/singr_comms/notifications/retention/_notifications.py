"""Notifications that have ended are kept as long as messages of their category are."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from singr_comms.notifications.retention._times import Times
from singr_comms.notifications.retention._trimming import Patience
from singr_db import sql
from singr_db.retention import Connection

# Few, since whom they named, and what they said to whom, goes with them: up to a thousand rows each.
_BITE: Final = 20
# What commits late, or was in somebody's hands, is come back for.
_LATE: Final = timedelta(days=1)
_EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
_FORGET: Final = sql(f"""
WITH gone AS (
    DELETE FROM notifications WHERE id = ANY (ARRAY(
        SELECT n.id FROM notifications AS n
         WHERE n.ended_at >= %(since)s::timestamptz AND n.ended_at < %(until)s::timestamptz
           AND (n.type = ANY (%(types)s::text[]) OR %(types)s::text[] = '{{}}')
         ORDER BY n.ended_at LIMIT {_BITE} FOR UPDATE SKIP LOCKED))
    RETURNING ended_at
)
SELECT count(*), max(ended_at) FROM gone
""")  # noqa: S608 - a constant


class Forgotten:
    """Up to when ended notifications were gone through, by the types that are kept for one time.

    Those that are kept longer lie among them: without it each turn would walk through all of these again. A process
    that starts does so once.
    """

    def __init__(self) -> None:
        self._through: dict[tuple[str, ...], datetime] = {}

    async def forget(self, connection: Connection, times: Times, now: datetime, patience: Patience) -> int:
        """Delete those whose time is over since their end, a bite at a time; answers how many."""
        gone = 0
        for days, types in times.by_days():
            gone += await self._forget(connection, types, now - days, patience)
        return gone

    async def _forget(self, connection: Connection, types: tuple[str, ...], until: datetime, patience: Patience) -> int:
        gone, bite = 0, _BITE
        since = self._through.get(types, _EVER)
        while bite == _BITE:
            began = time.monotonic()
            asked = {"types": list(types), "since": since, "until": until}
            bite, last = await (await connection.execute(_FORGET, asked)).fetchone() or (0, None)
            gone += bite
            since = last if last and bite == _BITE else until
            self._through[types] = since - _LATE
            await patience.rests(time.monotonic() - began)
            if patience.is_over:
                break
        return gone
