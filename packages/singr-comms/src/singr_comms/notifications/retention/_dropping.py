"""A week of messages goes whole, with what providers said of them and the attempts to send them.

What is kept longer, or is on its way, moves first: a few thousand messages at most, since nobody sends meanwhile.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

from singr_comms.notifications.retention._times import CHANGED, KEPT, OPEN, OVER, WATCHED
from singr_db import Partition, sql
from singr_db.retention import (
    Connection,
    HeldUpError,
    alone,
    drop_gone,
    let_go,
    looking,
    parse_partition,
    patiently,
    refuse_to_wait,
    remember,
    watch,
)

MOST_SURVIVORS: Final = 5_000
_BITE: Final = 5_000
_TOGETHER: Final = ("messages", "message_events")

_WANTED: Final = f"{OPEN} OR {CHANGED}"
_SURVIVE: Final = sql(f"""
SELECT m.id FROM messages AS m {KEPT}
 WHERE m.id >= %(lower)s::uuid AND m.id < %(upper)s::uuid AND (NOT {OVER} OR {_WANTED}) LIMIT {MOST_SURVIVORS + 1}
""")  # noqa: S608 - constants
# What somebody counts still: an hour that is counted anew must find all that there was.
_COUNTED: Final = sql("""
SELECT EXISTS (SELECT FROM delivery_counts WHERE hour >= %(start)s AND hour < %(end)s AND due_at < 'infinity')
""")
_LET_GO: Final = sql("""
INSERT INTO message_weeks (name, gone_at) VALUES (%(name)s, %(now)s)
ON CONFLICT (name) DO UPDATE SET gone_at = excluded.gone_at, after = NULL, again_at = NULL
""")
_GONE: Final = sql("SELECT name FROM message_weeks WHERE gone_at IS NOT NULL ORDER BY name")
_CLEARED: Final = sql("DELETE FROM message_weeks WHERE name = %(name)s")
# Of a week that is gone, what there is lies aside.
_ORPHANS: Final = tuple(
    sql(f"""
DELETE FROM {table} WHERE ctid = ANY (ARRAY(
    SELECT a.ctid FROM {table} AS a
     WHERE a.message_id >= %(lower)s::uuid AND a.message_id < %(upper)s::uuid
       AND NOT EXISTS (SELECT FROM messages_default AS m WHERE m.id = a.message_id)
     LIMIT {_BITE}))
""")  # noqa: S608 - constants
    for table in ("message_attempts", "message_events_default")
)


class TooManyError(Exception):
    """More of the week is kept than can move at once: it stays, and what is over of it goes bite by bite."""


async def drop_week(connection: Connection, span: Partition, values: Mapping[str, Any]) -> int:
    """Move what survives a week, and let go of the rest; answers how many survived.

    Raises:
        HeldUpError: somebody uses the tables; nothing has changed.
        TooManyError: too much of it is kept; nothing has changed.
    """
    await refuse_to_wait(connection, _TOGETHER, span.start)
    async with looking():
        await watch(connection, span, WATCHED.format(span.end))
        bounds = {**values, "lower": span.lower, "upper": span.upper}
        rows = await (await connection.execute(_SURVIVE, bounds)).fetchall()
        kept = _refuse_many({message_id for (message_id,) in rows})
    return await patiently(connection, _TOGETHER, span.start, partial(_move, connection, span, kept, values))


async def refuse_uncounted(connection: Connection, span: Partition) -> None:
    """Return where statistics have all that they need of a week.

    Raises:
        HeldUpError: they are counted still.
    """
    row = await (await connection.execute(_COUNTED, {"start": span.start, "end": span.end})).fetchone()
    if row is not None and row[0]:
        raise HeldUpError("its hours are counted still: see the standing work deliveries.count")


async def clear_away(connection: Connection) -> None:
    """Drop what was let go of, and delete what lies elsewhere of its messages, a bite at a time."""
    for (name,) in await (await connection.execute(_GONE)).fetchall():
        span = parse_partition(name)
        if span is None:
            continue
        for parent in _TOGETHER:
            await drop_gone(connection, Partition(parent, span.start))
        for orphans in _ORPHANS:
            while (await connection.execute(orphans, {"lower": span.lower, "upper": span.upper})).rowcount == _BITE:
                pass
        await connection.execute(_CLEARED, {"name": name})


def _refuse_many(survivors: set[UUID]) -> set[UUID]:
    if len(survivors) > MOST_SURVIVORS:
        raise TooManyError
    return survivors


async def _move(connection: Connection, span: Partition, kept: set[UUID], values: Mapping[str, Any]) -> int:
    async with alone(connection, _TOGETHER, span.start) as weeks:
        # What came or changed since it was looked at: found by index, among all that there are.
        found = await connection.execute(
            f"SELECT m.id FROM {span.name} AS m WHERE ({WATCHED.format(span.end)}) AND ({_WANTED})",  # noqa: S608 - see Partition.name
            values,
        )
        survivors = list(_refuse_many(kept | {message_id for (message_id,) in await found.fetchall()}))
        for week in weeks:
            await let_go(connection, week, survivors)
            await remember(connection, week, len(survivors), values["now"], is_cleared=True)
        await connection.execute(_LET_GO, {"name": span.name, "now": values["now"]})
    return len(survivors)
