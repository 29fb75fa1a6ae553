"""How many messages came to what, counted by the hour: an hour is counted anew as a whole, ever more seldom.

What becomes of a message is learned within days, by callbacks. A count that each of them added to would be a row that
all of them lock; so nothing is counted where messages are sent. An hour that goes on is counted each minute, one that
is over when a quarter of its age has passed since the last time, for eight days: some twenty times in all. Each count
takes a hundredth of the time at most: after one that took a second the next comes after a hundred.
"""

import time
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from singr_db import Database, PlatformSession, first_id, made_at, sql_text

EVERY: Final = 60.0
"""Seconds after which the hour that goes on is counted anew, at the soonest."""
COUNTED_DAYS: Final = 8
"""Days after which an hour stays as it was counted last: callbacks come within a few."""
KEPT_DAYS: Final = 400
_LOOKED_BACK_DAYS: Final = 35
_AT_ONCE: Final = 500
# Seconds that a turn goes on with hours that are due; what is left is for the next, in whatever process.
_TURN: Final = 5.0

# Two to each doubling, from 61 µs on, as `singr_jobs.minutes` has them; times below and above are in the outermost.
_SECONDS: Final = "extract(epoch FROM delivered_at - created_at)::float8"
_DOUBLING: Final = "floor(ln(seconds) / ln(2.0::float8))"
BUCKET: Final = f"""
CASE WHEN seconds IS NULL THEN -1 WHEN seconds < 2.0 ^ -14 THEN 0 WHEN seconds >= 2.0 ^ 17 THEN 63
     ELSE 2 * ({_DOUBLING} + 14) + CASE WHEN seconds >= 1.5 * 2.0 ^ {_DOUBLING} THEN 2 ELSE 1 END END::smallint
"""
COLUMNS: Final = f"""
organization_id, user_id, id, channel, kind, coalesce(provider, '') AS provider, status,
coalesce(error ->> 'code', '') AS code, {_SECONDS} AS seconds
"""
_MAKE: Final = sql_text(f"""
INSERT INTO delivery_counts (hour, due_at)
SELECT hour, now() FROM generate_series(
           coalesce((SELECT max(hour) FROM delivery_counts),
                    date_trunc('hour', greatest(:oldest, now() - interval '{_LOOKED_BACK_DAYS} days'), 'UTC')),
           date_trunc('hour', now(), 'UTC'), interval '1 hour') AS hour
ON CONFLICT (hour) DO NOTHING
""")  # noqa: S608 - a constant
_OLDEST: Final = sql_text("SELECT id FROM messages ORDER BY id LIMIT 1")
_TAKE: Final = sql_text("""
SELECT hour FROM delivery_counts WHERE due_at <= now() ORDER BY hour DESC LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_CLEAR: Final = sql_text("DELETE FROM delivery_hours WHERE hour = :hour")
COUNT: Final = sql_text(f"""
INSERT INTO delivery_hours (organization_id, hour, channel, kind, provider, status, code, bucket, messages)
SELECT organization_id, CAST(:hour AS timestamptz), channel, kind, provider, status, code, {BUCKET} AS bucket, count(*)
  FROM (SELECT {COLUMNS} FROM messages WHERE id >= :first AND id < :last) AS made
 GROUP BY organization_id, channel, kind, provider, status, code, bucket
""")  # noqa: S608 - constants
_COUNTED: Final = sql_text(f"""
UPDATE delivery_counts
   SET counted_at = now(),
       due_at = CASE WHEN hour < now() - interval '{COUNTED_DAYS} days' THEN 'infinity' ELSE clock_timestamp()
           + greatest({EVERY} * interval '1 second', 100 * (clock_timestamp() - now()),
                      (now() - hour - interval '1 hour') / 4) END
 WHERE hour = :hour
""")  # noqa: S608 - constants
_FORGET: Final = sql_text(f"""
WITH gone AS (
    DELETE FROM delivery_counts WHERE hour IN (
        SELECT hour FROM delivery_counts WHERE hour < now() - interval '{KEPT_DAYS} days'
         ORDER BY hour LIMIT {_AT_ONCE})
    RETURNING hour
)
DELETE FROM delivery_hours WHERE hour IN (SELECT hour FROM gone)
""")  # noqa: S608 - constants


async def count_deliveries(db: Database) -> int:
    """Count the hours that are due, each in a transaction of its own; returns how many.

    Any number of processes may do so at once: each takes another hour. The newest goes first.
    """
    async with db.platform() as session:
        oldest: UUID | None = await session.scalar(_OLDEST)
        if oldest is None:
            return 0
        await session.execute(_MAKE, {"oldest": made_at(oldest)})
        await session.execute(_FORGET)
    counted, began = 0, time.monotonic()
    while counted < _AT_ONCE and time.monotonic() - began < _TURN:
        async with db.platform() as session:
            hour: datetime | None = await session.scalar(_TAKE)
            if hour is None:
                break
            await _count(session, hour)
        counted += 1
    return counted


async def _count(session: PlatformSession, hour: datetime) -> None:
    which: dict[str, Any] = {"hour": hour}
    await session.execute(_CLEAR, which)
    await session.execute(COUNT, which | {"first": first_id(hour), "last": first_id(hour + timedelta(hours=1))})
    await session.execute(_COUNTED, which)
