"""The chore that ends notifications whose messages have an outcome, and goes on with those that nobody decides."""

from typing import ClassVar, Final
from uuid import UUID

from singr_comms.notifying._queueing import give_to_job
from singr_comms.notifying._steering import cancel_notification
from singr_db import Database, sql_text
from singr_db.chores import DatabaseChore

_AT_ONCE: Final = 200
# Of those that wait for their time, so many at a turn: a hundred thousand are gone through in some minutes.
_ASKED_ABOUT: Final = 1_000
_BEGINNING: Final = UUID(int=0)
# What it says goes with its end: each message keeps its own, for as long as the log does.
# What is in doubt and left to people is an outcome: a notification does not wait for them. Those that wait for their
# messages are looked through piece by piece: however many there are, each has its turn. Of each the first message that
# is open is told (`open_at`), from which the next look goes on: messages are sent in about the order of their ids.
_DONE: Final = sql_text("""
WITH looked AS MATERIALIZED (
    SELECT id FROM notifications WHERE state = 'sending' AND id > CAST(:after AS uuid)
     ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
), waits AS MATERIALIZED (
    SELECT looked.id, first.id AS open_at
      FROM looked LEFT JOIN unnest(CAST(:ids AS uuid[]), CAST(:open_at AS uuid[])) AS seen (id, open_at) USING (id)
     CROSS JOIN LATERAL (
        SELECT m.id FROM messages AS m
         WHERE m.notification_id = looked.id AND m.id >= coalesce(seen.open_at, CAST(:beginning AS uuid))
           AND m.status IN ('queued', 'dispatched')
         ORDER BY m.id LIMIT 1) AS first
), done AS (
    UPDATE notifications AS n SET state = 'done', paused_at = NULL, ended_at = now(), updated_at = now()
     WHERE n.id = ANY (ARRAY(SELECT id FROM looked EXCEPT SELECT id FROM waits))
       AND NOT EXISTS (SELECT FROM messages AS m WHERE m.notification_id = n.id
                          AND m.status IN ('queued', 'dispatched'))
    RETURNING n.id
), said AS (
    DELETE FROM notification_contents WHERE notification_id IN (SELECT id FROM done)
)
SELECT (SELECT count(*) FROM done) AS done, (SELECT count(*) FROM looked) AS looked,
       (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last,
       ARRAY(SELECT id FROM waits ORDER BY id) AS ids, ARRAY(SELECT open_at FROM waits ORDER BY id) AS open_at
""")
# Its job was cancelled: with the credential that asked for it, or by an operator. What is due is asked about each time,
# all that waits for its time a piece at a time.
_CANCELLED: Final = sql_text("""
WITH due AS MATERIALIZED (
    SELECT id, organization_id, job_id FROM notifications
     WHERE state IN ('scheduled', 'deciding') AND coalesce(send_at, created_at) <= now()
     ORDER BY coalesce(send_at, created_at) LIMIT :limit
), looked AS MATERIALIZED (
    SELECT id, organization_id, job_id, state FROM notifications
     WHERE ended_at IS NULL AND id > CAST(:after AS uuid) ORDER BY id LIMIT :piece
), cancelled AS MATERIALIZED (
    SELECT n.id, n.organization_id FROM (
           SELECT * FROM due UNION
           SELECT id, organization_id, job_id FROM looked WHERE state IN ('scheduled', 'deciding')) AS n
     WHERE EXISTS (SELECT FROM jobs AS j WHERE j.id = n.job_id AND j.status = 'cancelled')
)
SELECT ARRAY(SELECT id FROM cancelled ORDER BY id) AS ids,
       ARRAY(SELECT organization_id FROM cancelled ORDER BY id) AS organization_ids,
       (SELECT count(*) FROM looked) AS looked, (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last
""")
# Its job has failed at every try, or went with its week.
_ABANDONED: Final = sql_text("""
UPDATE notifications AS n SET turn = turn + 1, updated_at = now()
 WHERE n.id = ANY (ARRAY(SELECT id FROM notifications
                          WHERE state IN ('scheduled', 'deciding') AND paused_at IS NULL
                            AND updated_at < now() - interval '1 minute'
                            AND coalesce(send_at, created_at) < now() - interval '1 minute'
                            AND NOT EXISTS (SELECT FROM jobs AS j
                                             WHERE j.id = job_id AND j.status IN ('pending', 'cancelled'))
                          ORDER BY coalesce(send_at, created_at) LIMIT :limit FOR UPDATE SKIP LOCKED))
RETURNING n.id, n.organization_id, n.turn, n.priority
""")


class SeeNotificationsOff(DatabaseChore):
    """Every notification comes to an end, whatever became of its job."""

    name: ClassVar = "seeing notifications off"
    seen_as: ClassVar = "notifications.see_off"
    every = 5.0
    piece = _AT_ONCE
    _after: UUID = _BEGINNING
    _asked_after: UUID = _BEGINNING

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        # By notification its first message that was open, as seen in the last round and in this one.
        self._open_at, self._next_open_at = dict[UUID, UUID](), dict[UUID, UUID]()

    async def work(self) -> int:
        """End those whose messages have an outcome, cancel those whose job was, and go on where it is gone."""
        limit, seen = self.piece, self._open_at
        values = {"ids": list(seen), "open_at": list(seen.values()), "beginning": _BEGINNING}
        asked = {"after": self._asked_after, "limit": limit, "piece": _ASKED_ABOUT}
        async with self.db.platform() as session:
            found = (await session.execute(_DONE, values | {"after": self._after, "limit": limit})).one()
            cancelled = (await session.execute(_CANCELLED, asked)).one()
            abandoned = (await session.execute(_ABANDONED, {"limit": limit})).all()
            for row in abandoned:
                which = {"id": row.id, "organization_id": row.organization_id}
                await give_to_job(session, which, row.turn, priority=row.priority)
        for notification_id, organization_id in zip(cancelled.ids, cancelled.organization_ids, strict=True):
            async with self.db.tenant(organization_id) as session:
                await cancel_notification(session, notification_id)
        self._asked_after = cancelled.last if cancelled.looked == _ASKED_ABOUT else _BEGINNING
        self._next_open_at |= zip(found.ids, found.open_at, strict=True)
        self._after = found.last
        if found.looked < limit:
            self._after, self._open_at, self._next_open_at = _BEGINNING, self._next_open_at, {}
        return int(found.done) + len(cancelled.ids) + len(abandoned)
