"""What is left of somebody after their key: blanked a thousand rows at a time, each in a transaction of its own."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from singr_comms.people.privacy._job import EraseByKey, EraseRecipient
from singr_db import Database, sql_text
from singr_jobs import enqueue

T = TypeVar("T")
_AT_ONCE: Final = 1_000
_LOOKED_UP: Final = 100_000
_FIRST: Final = UUID(int=0)
# Longer than any transaction of ours may last, so that what was decided before the person was gone has been written.
_AGAIN: Final = timedelta(minutes=5)
_ERASED: Final = '{"code": "erased", "message": "what was known of its recipient was erased"}'

# An address that somebody else has too is theirs.
_SHARED: Final = """EXISTS (SELECT FROM recipients AS r WHERE r.organization_id = :organization_id
                              AND (r.email_hash = {hash} OR r.phone_hash = {hash}))"""
_BITE: Final = "m.id = ANY(CAST(:ids AS uuid[])) AND m.id >= :first AND m.id <= :last"
_BLANK: Final = f"""
WITH theirs AS (
    SELECT id, key_id FROM messages AS m
     WHERE {_BITE} AND organization_id = :organization_id AND recipient_masked <> 'erased' AND {{whose}} FOR UPDATE
), destroyed AS (
    UPDATE data_keys SET wrapped = NULL, destroyed_at = clock_timestamp(), external_id = NULL, recipient_id = NULL,
           prints = NULL
     WHERE id IN (SELECT key_id FROM theirs) AND wrapped IS NOT NULL
       AND NOT EXISTS (SELECT FROM recipients AS r WHERE r.key_id = data_keys.id)
)
UPDATE messages AS m
   SET recipient_sealed = ''::bytea, recipient_masked = 'erased',
       content_sealed = ''::bytea, updated_at = now(),
       status = CASE status WHEN 'queued' THEN 'suppressed' ELSE status END,
       error = CASE status WHEN 'queued' THEN CAST(:error AS jsonb) ELSE error END
  FROM theirs WHERE m.id = theirs.id AND {_BITE}
"""  # noqa: S608 - constants
_THEIRS: Final = sql_text(_BLANK.format(whose="recipient_id = ANY(CAST(:recipient_ids AS uuid[]))"), roles=("tenant",))
# Of messages that named nobody, or whom nobody has on the list any more.
_TO_ADDRESS: Final = sql_text(
    _BLANK.format(
        whose=f"""NOT EXISTS (SELECT FROM recipients AS r WHERE r.id = m.recipient_id)
           AND NOT {_SHARED.format(hash="m.recipient_hash")}"""
    ),
    roles=("tenant",),
)
# Their ids are looked up before, so that no bite walks past what those before it have blanked; and all that there are
# of somebody are sorted each time, as else PostgreSQL might go through everybody's by their ids.
_LOOK_UP: Final = f"""
WITH all_of_them AS MATERIALIZED (
    SELECT id FROM messages WHERE organization_id = :organization_id AND id > :after AND {{which}}
)
SELECT id FROM all_of_them ORDER BY id LIMIT {_LOOKED_UP}"""  # noqa: S608 - a constant
_OF_THEM: Final = sql_text(
    _LOOK_UP.format(which="recipient_id = ANY(CAST(:recipient_ids AS uuid[])) AND recipient_masked <> 'erased'"),
    roles=("tenant",),
)
_OF_ADDRESS: Final = sql_text(
    _LOOK_UP.format(which="recipient_hash = ANY(CAST(:hashes AS bytea[])) AND recipient_masked <> 'erased'"),
    roles=("tenant",),
)
_WORDS: Final = sql_text(
    f"""
DELETE FROM notification_contents AS c USING notification_targets AS t
 WHERE t.organization_id = :organization_id AND c.notification_id = t.notification_id AND c.ordinal = t.ordinal
   AND (t.recipient_id = ANY(CAST(:recipient_ids AS uuid[]))
        OR t.address_hash = ANY(CAST(:hashes AS bytea[])) AND NOT {_SHARED.format(hash="t.address_hash")})
""",  # noqa: S608 - constants
    roles=("tenant",),
)
# What all were told whom it named, once none of them is left; by its data it may be about them.
_SAID: Final = sql_text(
    f"""
DELETE FROM notification_contents AS c
 WHERE c.organization_id = :organization_id AND c.ordinal = 0 AND c.notification_id IN (
       SELECT t.notification_id FROM notification_targets AS t
        WHERE t.organization_id = :organization_id
          AND (t.recipient_id = ANY(CAST(:recipient_ids AS uuid[])) OR t.address_hash = ANY(CAST(:hashes AS bytea[]))))
   AND NOT EXISTS (
       SELECT FROM notification_targets AS t
        WHERE t.organization_id = :organization_id AND t.notification_id = c.notification_id
          AND CASE WHEN t.recipient_id IS NOT NULL THEN EXISTS (SELECT FROM recipients AS r WHERE r.id = t.recipient_id)
                   ELSE NOT t.address_hash = ANY(CAST(:hashes AS bytea[])) OR {_SHARED.format(hash="t.address_hash")}
              END)
""",  # noqa: S608 - constants
    roles=("tenant",),
)
_TARGETS: Final = sql_text(
    f"""
DELETE FROM notification_targets AS t
 WHERE t.organization_id = :organization_id AND t.address_hash = ANY(CAST(:hashes AS bytea[]))
   AND NOT {_SHARED.format(hash="t.address_hash")}
""",  # noqa: S608 - constants
    roles=("tenant",),
)
_MASKS: Final = sql_text(
    f"""
UPDATE suppressions AS s SET address_masked = 'erased'
 WHERE s.organization_id = :organization_id AND s.address_hash = ANY(CAST(:hashes AS bytea[]))
   AND NOT {_SHARED.format(hash="s.address_hash")}
""",  # noqa: S608 - constants
    roles=("tenant",),
)

# What was blanked keeps its fingerprint until the second look, which by it finds what was told of it meanwhile.
_BLANKED: Final = sql_text(
    _LOOK_UP.format(
        which="""recipient_masked = 'erased'
       AND (recipient_id = ANY(CAST(:recipient_ids AS uuid[])) OR recipient_hash = ANY(CAST(:hashes AS bytea[])))"""
    ),
    roles=("tenant",),
)
_FORGET_HASHES: Final = sql_text(
    f"UPDATE messages AS m SET recipient_hash = ''::bytea WHERE {_BITE} AND recipient_hash <> ''::bytea",  # noqa: S608 - a constant
    roles=("tenant",),
)
# What their providers told of these, which holds their address for thirty days.
_TOLD: Final = sql_text(
    """
SELECT webhook_id, count(*) AS events FROM message_events
 WHERE message_id = ANY(CAST(:ids AS uuid[])) AND webhook_id IS NOT NULL GROUP BY webhook_id
""",
    roles=("tenant",),
)
# One may speak of many people, of other organizations too: it is deleted where it speaks of nobody else. What waits to
# be applied goes with the second look.
_CALLBACKS: Final = sql_text(
    """
DELETE FROM webhooks_received AS w
 USING unnest(CAST(:ids AS uuid[]), CAST(:events AS bigint[])) AS theirs (id, events)
 WHERE w.id = ANY(CAST(:ids AS uuid[])) AND w.id = theirs.id AND w.events <= theirs.events AND w.state <> 'received'
""",
    roles=("platform",),
)
_LATER: Final = sql_text("SELECT now() + CAST(:wait AS interval)", roles=("tenant",))
_PRINTS: Final = sql_text(
    "SELECT unnest(prints) FROM data_keys WHERE id = :key_id AND destroyed_at IS NOT NULL", roles=("tenant",)
)
_FORGET_PRINTS: Final = sql_text(
    "UPDATE data_keys SET prints = NULL WHERE id = :key_id AND destroyed_at IS NOT NULL", roles=("tenant",)
)


class Blanking:
    """Blanks what is left of people.

    Args:
        db: the database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def run(self, job: EraseByKey | EraseRecipient, *, organization_id: UUID) -> int:
        """Blank all that there is of one; returns how many messages that were. Again is as once."""
        values: dict[str, Any] = {
            "organization_id": organization_id,
            "error": _ERASED,
            "recipient_ids": [job.recipient_id, *job.former],
            "key_id": job.key_id if isinstance(job, EraseByKey) else None,
        }
        values["hashes"] = await self._hashes(job, values)
        blanked = await self._in_bites(_THEIRS, _OF_THEM, values)
        blanked += await self._in_bites(_TO_ADDRESS, _OF_ADDRESS, values)
        async with self._db.tenant(organization_id) as session:  # in one, as nobody is to be told what has no words
            for statement in (_WORDS, _SAID, _TARGETS, _MASKS):
                await session.execute(statement, values)
        await self._delete_callbacks(values)
        if job.is_last:
            await self._in_bites(_FORGET_HASHES, _BLANKED, values)
            await self._done(_FORGET_PRINTS, values)
        else:
            async with self._db.tenant(organization_id) as session:
                again = msgspec.structs.replace(job, is_last=True)
                run_at = await session.scalar(_LATER, {"wait": _AGAIN})
                await enqueue(session, again, organization_id=organization_id, run_at=run_at)
        return blanked

    async def _hashes(self, job: EraseByKey | EraseRecipient, values: dict[str, Any]) -> list[bytes]:
        if isinstance(job, EraseRecipient):
            return [*map(bytes.fromhex, job.prints)]
        async with self._db.tenant(values["organization_id"]) as session:
            return [*map(bytes, (await session.scalars(_PRINTS, values)).all())]

    async def _delete_callbacks(self, values: dict[str, Any]) -> None:
        """Delete what was told of messages that are blanked, and of nothing else."""
        told: Counter[UUID] = Counter()
        async for ids in self._looked_up(_BLANKED, values):
            async with self._db.tenant(values["organization_id"]) as session:
                told.update({row.webhook_id: row.events for row in await session.execute(_TOLD, {"ids": [*ids]})})
        for some in _bites([*told.items()]):
            which = {"ids": [one for one, _ in some], "events": [events for _, events in some]}
            async with self._db.platform() as session:
                await session.execute(_CALLBACKS, which)

    async def _in_bites(self, statement: Any, which: Any, values: dict[str, Any]) -> int:
        """Run a statement for the messages that another finds; returns how many it changed."""
        done = 0
        async for ids in self._looked_up(which, values):
            done += await self._done(statement, {**values, "ids": [*ids], "first": ids[0], "last": ids[-1]})
        return done

    async def _looked_up(self, which: Any, values: dict[str, Any]) -> AsyncIterator[Sequence[UUID]]:
        found: Sequence[UUID] = [_FIRST] * _LOOKED_UP
        while len(found) == _LOOKED_UP:
            async with self._db.tenant(values["organization_id"]) as session:
                found = (await session.scalars(which, {**values, "after": found[-1]})).all()
            for ids in _bites(found):
                yield ids

    async def _done(self, statement: Any, values: dict[str, Any]) -> int:
        async with self._db.tenant(values["organization_id"]) as session:
            done: Any = await session.execute(statement, values)
            return int(done.rowcount)


def _bites(all_of_them: Sequence[T]) -> Iterator[Sequence[T]]:
    return (all_of_them[start : start + _AT_ONCE] for start in range(0, len(all_of_them), _AT_ONCE))
