"""Notifications that have ended are kept as long as messages of their category are."""

from datetime import datetime
from typing import Final

from singr_comms.notifications.retention._times import Times
from singr_db import sql
from singr_db.retention import Connection

_BITE: Final = 500
# Whom they named, and what they said to whom, goes with them.
_FORGET: Final = sql(f"""
DELETE FROM notifications WHERE id = ANY (ARRAY(
    SELECT n.id FROM notifications AS n
      LEFT JOIN unnest(%(types)s::text[], %(days)s::int[]) AS kept (type, days) ON kept.type = n.type
     WHERE n.ended_at < %(now)s::timestamptz - make_interval(days => %(shortest)s::int)
       AND n.ended_at < %(now)s::timestamptz - make_interval(days => coalesce(kept.days, %(longest)s::int))
     ORDER BY n.ended_at LIMIT {_BITE}))
""")  # noqa: S608 - a constant


async def forget_notifications(connection: Connection, times: Times, now: datetime) -> int:
    """Delete those whose time is over since their end, a bite at a time; answers how many."""
    values = {name: times.values(now, None)[name] for name in ("types", "days", "now", "longest")}
    gone = 0
    while True:
        bite = (await connection.execute(_FORGET, {**values, "shortest": times.shortest.days})).rowcount
        gone += bite
        if bite < _BITE:
            return gone
