"""What keeps the delivery log true when jobs end without their handler's help; a worker runs it now and then."""

from typing import Final

import msgspec
from sqlalchemy import text

from singr_db import Database

# A job that was cancelled, or whose worker died at the last attempt, ends without anybody touching its message.
_SETTLE: Final = text("""
WITH ended AS (
    SELECT m.id, m.status AS was, j.status AS job_status, j.error
      FROM messages m JOIN jobs j ON j.id = m.job_id
     WHERE m.status IN ('queued', 'dispatched') AND j.status IN ('failed', 'cancelled')
       AND m.updated_at < now() - :idle * interval '1 second' AND j.finished_at < now() - :idle * interval '1 second'
       AND m.created_at > now() - interval '8 days'
     LIMIT :limit
), attempts AS (
    UPDATE message_attempts a
       SET status = 'unknown', finished_at = now(),
           error = '{"code": "lost", "message": "its process ended before an outcome was recorded"}'
      FROM ended WHERE a.message_id = ended.id AND a.status = 'dispatched'
)
UPDATE messages m
   SET status = CASE WHEN ended.was = 'dispatched' THEN 'unknown'
                     WHEN ended.job_status = 'cancelled' THEN 'suppressed' ELSE 'failed' END,
       error = CASE WHEN ended.was = 'dispatched'
                    THEN '{"code": "lost", "message": "its process ended before an outcome was recorded"}'::jsonb
                    WHEN ended.job_status = 'cancelled'
                    THEN '{"code": "cancelled", "message": "its job was cancelled before it was sent"}'::jsonb
                    ELSE coalesce(m.error, jsonb_build_object(
                         'code', coalesce(ended.error ->> 'code', 'job_failed'),
                         'message', coalesce(ended.error ->> 'message', 'its job failed'))) END,
       updated_at = now()
  FROM ended WHERE m.id = ended.id AND m.status = ended.was
RETURNING m.status
""")
_COLLECT: Final = text("DELETE FROM message_quotas WHERE window_start < now() - interval '2 hours'")


class Settled(msgspec.Struct, frozen=True):
    """How many messages were given their final status."""

    unknown: int
    failed: int
    suppressed: int


async def settle_messages(db: Database, *, idle: float = 120.0, limit: int = 1000) -> Settled:
    """Give messages whose jobs have ended without them their final status.

    ``dispatched`` becomes ``unknown`` (its process died in the middle), ``queued`` becomes ``failed``, or
    ``suppressed`` where the job was cancelled. Safe in any number of processes; platform work over all organizations.

    Args:
        db: The database.
        idle: Seconds for which neither message nor job may have changed.
        limit: Messages per call.
    """
    async with db.platform() as session:
        statuses = list((await session.execute(_SETTLE, {"idle": idle, "limit": limit})).scalars())
    return Settled(statuses.count("unknown"), statuses.count("failed"), statuses.count("suppressed"))


async def collect_quotas(db: Database) -> int:
    """Delete the counts of hours gone by; returns how many rows went."""
    async with db.platform() as session:
        result = await session.execute(_COLLECT)
        return int(getattr(result, "rowcount", 0))
