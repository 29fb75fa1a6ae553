"""The chore that ends notifications whose messages have an outcome, and goes on with those that nobody decides."""

from datetime import timedelta
from typing import Any, ClassVar, Final

from singr_comms.notifying._job import FanOutNotification
from singr_db import PlatformSession, sql_text
from singr_db.chores import DatabaseChore
from singr_jobs import Priority, enqueue

_AT_ONCE: Final = 200
# What is in doubt and left to people is an outcome: a notification does not wait for them.
_DONE: Final = sql_text("""
UPDATE notifications AS n SET state = 'done', ended_at = now(), updated_at = now()
 WHERE n.id = ANY (ARRAY(SELECT id FROM notifications
                          WHERE ended_at IS NULL AND state = 'sending' ORDER BY updated_at LIMIT :limit
                            FOR UPDATE SKIP LOCKED))
   AND NOT EXISTS (SELECT FROM messages AS m WHERE m.notification_id = n.id
                      AND m.status IN ('queued', 'dispatched'))
""")
# Its job was cancelled by hand, has failed at every try, or went with its week.
_ABANDONED: Final = sql_text("""
UPDATE notifications AS n SET turn = turn + 1, updated_at = now()
 WHERE n.id = ANY (ARRAY(SELECT id FROM notifications
                          WHERE ended_at IS NULL AND state IN ('scheduled', 'deciding') AND paused_at IS NULL
                            AND updated_at < now() - interval '1 minute'
                            AND (send_at IS NULL OR send_at < now() - interval '1 minute')
                            AND NOT EXISTS (SELECT FROM jobs AS j WHERE j.id = job_id AND j.status = 'pending')
                          ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED))
RETURNING n.id, n.organization_id, n.turn, n.priority
""")
_GIVEN: Final = sql_text("UPDATE notifications SET job_id = :job_id WHERE id = :id")
_FORGET: Final = sql_text("""
DELETE FROM notifications WHERE id = ANY (ARRAY(
       SELECT id FROM notifications WHERE ended_at < now() - CAST(:kept AS interval) ORDER BY ended_at LIMIT :limit))
""")
# As long as anybody may ask by its deduplication key, and what is kept of its messages is read beside it.
_KEPT: Final = timedelta(days=90)


class SeeNotificationsOff(DatabaseChore):
    """Every notification comes to an end, whatever became of its job."""

    name: ClassVar = "seeing notifications off"
    seen_as: ClassVar = "notifications.see_off"
    every = 5.0

    async def work(self) -> int:
        """End those whose messages have an outcome, go on with those whose job is gone, forget the oldest."""
        async with self.db.platform() as session:
            done = await session.execute(_DONE, {"limit": _AT_ONCE})
            abandoned = (await session.execute(_ABANDONED, {"limit": _AT_ONCE})).all()
            for row in abandoned:
                await _go_on(session, row)
            await session.execute(_FORGET, {"kept": _KEPT, "limit": _AT_ONCE})
        return int(getattr(done, "rowcount", 0)) + len(abandoned)


async def _go_on(session: PlatformSession, row: Any) -> None:
    job = FanOutNotification(row.id, row.turn)
    job_id = await enqueue(session, job, organization_id=row.organization_id, priority=Priority(row.priority))
    await session.execute(_GIVEN, {"id": row.id, "job_id": job_id})
