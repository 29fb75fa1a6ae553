"""A week is gone through: what its messages say goes once its time is over, and messages of short times go too.

A bite at a time, each in a transaction of its own, that locks what nobody else has in hand. What is on its way is left,
and looked at again a day later. Whatever dies, the next turn goes on where the last bite ended.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.notifications.retention._times import CHANGED, KEPT, OPEN, OVER, WORDS_OVER
from singr_db import sql
from singr_db.retention import Connection

BITE: Final = 1_000
_AGAIN: Final = timedelta(days=1)
FIRST: Final = UUID(int=0)
LAST: Final = UUID(int=2**128 - 1)
KEPT_ASIDE: Final = "messages_default"
_UNDER_WAY: Final = ">"


def _bite(table: str) -> str:
    """One bite of a table: what is deleted takes its attempts and events along."""
    within = "m.id > %(after)s::uuid AND m.id < %(upper)s::uuid"
    return sql(f"""
WITH looked AS MATERIALIZED (
    SELECT m.id, m.content_sealed <> ''::bytea AND {WORDS_OVER} AS words, {OVER} AS message
      FROM (SELECT * FROM {table} AS m WHERE {within} ORDER BY id LIMIT %(limit)s) AS m {KEPT}
), held AS MATERIALIZED (
    SELECT m.id, looked.message AND NOT {CHANGED} AS goes
      FROM {table} AS m JOIN looked ON looked.id = m.id
     WHERE {within} AND (looked.words OR looked.message AND NOT {CHANGED}) AND NOT {OPEN}
       FOR UPDATE OF m SKIP LOCKED
), gone AS (
    DELETE FROM {table} AS m USING held WHERE m.id = held.id AND held.goes AND {within} RETURNING m.id
), attempts AS (
    DELETE FROM message_attempts WHERE message_id = ANY (ARRAY(SELECT id FROM gone))
), events AS (
    DELETE FROM message_events WHERE message_id = ANY (ARRAY(SELECT id FROM gone))
), blanked AS (
    UPDATE {table} AS m SET content_sealed = ''::bytea
      FROM held WHERE m.id = held.id AND NOT held.goes AND {within} RETURNING m.id
)
SELECT (SELECT count(*) FROM looked) AS looked, (SELECT count(*) FROM gone) AS deleted,
       (SELECT count(*) FROM blanked) AS blanked,
       (SELECT count(*) FROM looked WHERE message OR words)
           - (SELECT count(*) FROM gone)
           - (SELECT count(*) FROM blanked JOIN looked USING (id) WHERE NOT message) AS left_over,
       (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last
""")  # noqa: S608 - constants


_IN_WEEK: Final = _bite("messages")
_ASIDE: Final = _bite(KEPT_ASIDE)
_KNOWN: Final = sql("SELECT passed, after, again_at FROM message_weeks WHERE name = %(name)s")
_SO_FAR: Final = sql("""
INSERT INTO message_weeks (name, passed, after, again_at) VALUES (%(name)s, %(passed)s, %(after)s, %(again_at)s)
ON CONFLICT (name) DO UPDATE
   SET passed = excluded.passed, after = excluded.after, again_at = coalesce(excluded.again_at, message_weeks.again_at)
""")
_THROUGH: Final = sql("""
UPDATE message_weeks SET passed = %(passed)s, after = NULL, again_at = CASE WHEN again_at > %(now)s THEN again_at END
 WHERE name = %(name)s
""")


class Trimmed(msgspec.Struct, frozen=True):
    """How many messages went, of how many the words went, and how many bites that took."""

    deleted: int = 0
    blanked: int = 0
    bites: int = 0


class Patience:
    """For how long a turn goes on, and that it rests as long as it works, so that others have the disk as well."""

    def __init__(self, *, seconds: float, bites: int | None = None) -> None:
        self._until = time.monotonic() + seconds
        self._bites = bites

    async def rests(self, worked: float) -> None:
        """Rest after a bite."""
        if self._bites is not None:
            self._bites -= 1
        await asyncio.sleep(worked)

    @property
    def is_over(self) -> bool:
        """Whether what is left is for the next turn."""
        return time.monotonic() >= self._until or self._bites == 0


async def is_due(connection: Connection, name: str, passed: str, now: datetime) -> bool:
    """Whether a week is to be gone through: more is over of it than was, or something was on its way."""
    row = await (await connection.execute(_KNOWN, {"name": name})).fetchone()
    return bool(passed) if row is None else row[0] != passed or (row[2] is not None and row[2] <= now)


async def trim(
    connection: Connection,
    name: str,
    bounds: tuple[UUID, UUID],
    values: Mapping[str, Any],
    *,
    passed: str,
    patience: Patience,
) -> Trimmed:
    """Go through a week, or what is kept aside, from where the last turn ended.

    Args:
        connection: in autocommit.
        name: of the week, or `KEPT_ASIDE`.
        bounds: ids before the first and behind the last.
        values: as `Times.values` gives them.
        passed: whose time is over, as `Times.passed` says it.
        patience: when the turn is over.
    """
    row = await (await connection.execute(_KNOWN, {"name": name})).fetchone()
    # More may be over by now than when the last turn began with it: then it begins anew.
    under_way = f"{_UNDER_WAY}{passed}"
    after = bounds[0] if row is None or row[1] is None or row[0] != under_way else row[1]
    statement = _ASIDE if name == KEPT_ASIDE else _IN_WEEK
    deleted = blanked = bites = 0
    while True:
        began = time.monotonic()
        asked = {**values, "after": after, "upper": bounds[1], "limit": BITE}
        found = await (await connection.execute(statement, asked)).fetchone()
        looked, gone, bare, left, last = found or (0, 0, 0, 0, None)
        deleted, blanked, bites = deleted + gone, blanked + bare, bites + 1
        after = last or after
        again_at = values["now"] + _AGAIN if left else None
        so_far = {"name": name, "passed": under_way, "after": after, "again_at": again_at}
        await connection.execute(_SO_FAR, so_far)
        if looked < BITE:
            await connection.execute(_THROUGH, {"name": name, "passed": passed, "now": values["now"]})
            break
        await patience.rests(time.monotonic() - began)
        if patience.is_over:
            break
    return Trimmed(deleted, blanked, bites)
