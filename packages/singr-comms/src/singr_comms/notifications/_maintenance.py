"""What keeps the delivery log true when jobs end without their handler's help; a worker runs it now and then."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.notifications.sending._try import FLAGGED
from singr_db import Database, sql_text
from singr_observability import get_logger

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOWEST: Final = UUID(int=0)
_log = get_logger("singr_comms.settle_messages")
# A job that was cancelled, or whose worker died at the last attempt, ends without anybody touching its message; so does
# one whose row was dropped with its partition. What has not ended is looked through piece by piece, by its own index.
_SETTLE: Final = sql_text("""
WITH looked AS MATERIALIZED (
    SELECT id, status, job_id, kind, updated_at FROM messages
     WHERE status IN ('queued', 'dispatched') AND updated_at < now() - :soon * interval '1 second'
       AND (updated_at, id) > (CAST(:after AS timestamptz), CAST(:after_id AS uuid))
     ORDER BY updated_at, id LIMIT :limit
), ended AS MATERIALIZED (
    SELECT l.id, l.status AS was, l.kind, j.status AS job_status, j.error,
           l.status = 'dispatched' OR EXISTS (SELECT FROM message_attempts a
                                               WHERE a.message_id = l.id AND a.status = 'unknown') AS in_doubt
      FROM looked l LEFT JOIN jobs j ON j.id = l.job_id
     WHERE (j.status IN ('completed', 'failed', 'cancelled')
            AND greatest(j.finished_at, l.updated_at)
                < now() - CASE l.status WHEN 'queued' THEN :soon ELSE :idle END * interval '1 second')
        OR (j.id IS NULL AND l.updated_at < now() - interval '1 hour')
), attempts AS (
    UPDATE message_attempts a
       SET status = 'unknown', finished_at = now(),
           error = '{"code": "lost", "message": "its process ended before an outcome was recorded"}'
      FROM ended WHERE a.message_id = ended.id AND a.status = 'dispatched'
), settled AS (
    UPDATE messages m
       SET status = CASE WHEN ended.in_doubt THEN 'unknown'
                         WHEN ended.job_status = 'cancelled' THEN 'suppressed' ELSE 'failed' END,
           error = CASE WHEN ended.was = 'dispatched'
                        THEN '{"code": "lost", "message": "its process ended before an outcome was recorded"}'::jsonb
                        WHEN ended.in_doubt THEN CAST(:flagged AS jsonb)
                        WHEN ended.job_status = 'cancelled'
                        THEN '{"code": "cancelled", "message": "its job was cancelled before it was sent"}'::jsonb
                        WHEN ended.job_status IS NULL
                        THEN '{"code": "job_gone", "message": "its job is gone, and nothing will send it"}'::jsonb
                        ELSE coalesce(m.error, jsonb_build_object(
                             'code', coalesce(ended.error ->> 'code', 'job_failed'),
                             'message', coalesce(ended.error ->> 'message', 'its job failed'))) END,
           content_sealed = CASE WHEN m.kind = ANY (:erased) THEN ''::bytea ELSE m.content_sealed END,
           updated_at = now()
      FROM ended WHERE m.id = ended.id AND m.id = ANY (ARRAY(SELECT id FROM ended)) AND m.status = ended.was
    RETURNING m.status, m.id
), last AS (
    SELECT updated_at, id FROM looked ORDER BY updated_at DESC, id DESC LIMIT 1
)
SELECT ARRAY(SELECT id FROM settled WHERE status = 'unknown') AS unknown,
       (SELECT count(*) FROM settled WHERE status = 'failed') AS failed,
       (SELECT count(*) FROM settled WHERE status = 'suppressed') AS suppressed,
       (SELECT count(*) FROM looked) AS looked,
       (SELECT updated_at FROM last) AS last_at, (SELECT id FROM last) AS last_id
""")
# Most turns find nothing, and what does the work takes long to plan: it names every week's partition.
_ANY: Final = sql_text("""
SELECT EXISTS (SELECT FROM messages
                WHERE status IN ('queued', 'dispatched') AND updated_at < now() - :soon * interval '1 second')
""")
# What was in doubt when its job ended is asked about by nobody any more.
_FLAG: Final = sql_text("""
UPDATE messages m
   SET error = CAST(:flagged AS jsonb), updated_at = now(),
       content_sealed = CASE WHEN m.kind = ANY (:erased) THEN ''::bytea ELSE m.content_sealed END
 WHERE m.id = ANY (ARRAY(
       SELECT id FROM messages WHERE status = 'unknown' AND (error ->> 'code') NOT IN ('outcome_unknown', 'lost')
          AND updated_at < now() - :soon * interval '1 second'
          AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = job_id AND j.status IN ('pending', 'processing'))
        ORDER BY updated_at LIMIT :limit))
   AND m.status = 'unknown'
RETURNING m.id
""")
_COLLECT: Final = sql_text("DELETE FROM message_quotas WHERE window_start < now() - interval '2 hours'")
_COLLECT_EXPORTS: Final = sql_text("DELETE FROM export_asks WHERE asked_at < now() - interval '24 hours'")
_COLLECT_SMS: Final = sql_text("DELETE FROM sms_counts WHERE window_start < now() - interval '2 hours'")


class Settled(msgspec.Struct, frozen=True):
    """How many messages were given their final status."""

    unknown: int
    failed: int
    suppressed: int


class SettleCursor:
    """Where the next call of `settle_messages` goes on; a process keeps one, so that each call is short."""

    __slots__ = ("after", "after_id")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin with the oldest again."""
        self.after = _BEGINNING
        self.after_id = _LOWEST


async def settle_messages(
    db: Database,
    *,
    idle: float = 120.0,
    soon: float = 2.0,
    limit: int = 10_000,
    cursor: SettleCursor | None = None,
) -> Settled:
    """Give messages whose jobs have ended without them, or are gone, their final status, however old they are.

    `dispatched` becomes `unknown` (its process died in the middle), `queued` becomes `failed`, or
    `suppressed` where the job was cancelled, or `unknown` where one of its attempts is in doubt; what waited for its
    provider's word is left to people (`outcome_unknown`). The log names what became `unknown`, or stays so, one line
    each. Words that hold a code are erased. Safe in any number of processes; platform work over all organizations.

    Args:
        db: the database.
        idle: seconds for which neither message nor job may have changed where a provider call may still be on its way.
        soon: seconds for which they may not have changed where none is: nobody will send it.
        limit: messages that are looked at in a call.
        cursor: goes on where the call before ended, and begins anew after the last; from the oldest without one.
    """
    cursor = cursor or SettleCursor()
    values = {
        "idle": idle,
        "soon": soon,
        "limit": limit,
        "after": cursor.after,
        "after_id": cursor.after_id,
        "flagged": msgspec.json.encode(FLAGGED).decode(),
        "erased": sorted(one.name for one in message_types if one.carries_code),
    }
    async with db.platform() as session:
        flags = {name: values[name] for name in ("flagged", "erased", "soon", "limit")}
        in_doubt = list(await session.scalars(_FLAG, flags))
        row = (await session.execute(_SETTLE, values)).one() if await session.scalar(_ANY, {"soon": soon}) else None
    for message_id in [*in_doubt, *(row.unknown if row else ())]:
        _log.error("message {} may have been sent, and is not tried again: its job is over", message_id)
    if row is None:
        cursor.restart()
        return Settled(0, 0, 0)
    if row.looked < limit:
        cursor.restart()
    else:
        cursor.after, cursor.after_id = row.last_at, row.last_id
    return Settled(len(row.unknown), row.failed, row.suppressed)


async def collect_quotas(db: Database) -> int:
    """Delete the counts of hours gone by; returns how many rows went."""
    async with db.platform() as session:
        results = [await session.execute(statement) for statement in (_COLLECT, _COLLECT_SMS, _COLLECT_EXPORTS)]
        return sum(int(getattr(result, "rowcount", 0)) for result in results)
