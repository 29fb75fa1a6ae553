"""A week of jobs goes: its survivors move, and the rest is dropped with its file, so that no row is deleted.

What is left to clear away is remembered until it is.
"""

from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from singr_db._partitions import Partition
from singr_db._statements import sql
from singr_db.retention._latest import Latest
from singr_db.retention._letters import keep_logs_of_week
from singr_db.retention._survivors import last_of_queues, wanted_now, watched
from singr_db.retention._weeks import (
    Connection,
    HeldUpError,
    alone,
    drop_gone,
    let_go,
    looking,
    patiently,
    refuse_to_wait,
    remember,
    watch,
)

_MOST_SURVIVORS = 20_000
_BITE = 5000

_WITH_THEM: Final = ("job_attempts", "job_logs")
_SAME_WEEK: Final = ("jobs", *_WITH_THEM)
_UNCLEARED = sql("SELECT name FROM dropped_partitions WHERE cleared_at IS NULL ORDER BY name")
_CLEARED = sql("UPDATE dropped_partitions SET cleared_at = %(now)s WHERE name = %(name)s")
# What of them lies elsewhere, such as attempts from before they had weeks of their own.
_ORPHANS = tuple(
    sql(f"""
DELETE FROM {parent}_default WHERE ctid = ANY (ARRAY(
    SELECT a.ctid FROM {parent}_default a
     WHERE a.job_id >= %(lower)s::uuid AND a.job_id < %(upper)s::uuid
       AND NOT EXISTS (SELECT FROM jobs WHERE jobs.id = a.job_id)
     LIMIT %(limit)s))
""")  # noqa: S608 - constants
    for parent in _WITH_THEM
)


async def drop_week(
    connection: Connection, span: Partition, per_queue: int, values: dict[str, Any], latest: Latest
) -> int:
    """Move the week's survivors and let go of it; answers how many they were.

    Raises:
        HeldUpError: somebody uses the tables, or too much of the week is wanted; nothing has changed.
    """
    await refuse_to_wait(connection, _SAME_WEEK, span.start)
    async with looking():
        await watch(connection, span, watched(span))
        last = await last_of_queues(connection, span, per_queue, latest)
        _refuse_many(await wanted_now(connection, span, last, values))
        await keep_logs_of_week(connection, span)
    return await patiently(connection, _SAME_WEEK, span.start, partial(_move, connection, span, last, values))


async def clear_away(connection: Connection, now: datetime) -> None:
    """Drop what was let go of, and delete what went with its jobs and lies elsewhere, a bite at a time."""
    for (name,) in await (await connection.execute(_UNCLEARED)).fetchall():
        start = datetime.strptime(f"{name[-8:]}+0000", "%Y%m%d%z")
        for parent in _SAME_WEEK:
            await drop_gone(connection, Partition(parent, start))
        span = Partition("jobs", start)
        bounds = {"lower": span.lower, "upper": span.upper, "limit": _BITE}
        for orphans in _ORPHANS:
            while (await connection.execute(orphans, bounds)).rowcount == _BITE:
                pass
        await connection.execute(_CLEARED, {"name": name, "now": now})


def _refuse_many(survivors: list[UUID]) -> None:
    if len(survivors) > _MOST_SURVIVORS:
        raise HeldUpError(f"{len(survivors)} of its jobs are wanted still, more than are moved at once")


async def _move(connection: Connection, span: Partition, last: set[UUID], values: dict[str, Any]) -> int:
    async with alone(connection, _SAME_WEEK, span.start) as weeks:
        survivors = await wanted_now(connection, span, last, values)
        _refuse_many(survivors)

        async def prepare(week: Partition) -> None:
            if week.parent == "jobs":  # what waits has its place already, and is given no second one
                await connection.execute(
                    f"UPDATE {week.name} SET placed = true WHERE id = ANY (%s) AND NOT placed",  # noqa: S608 - see Partition.name
                    (survivors,),
                )

        for week in weeks:
            await let_go(connection, week, survivors, prepare)
        await remember(connection, span, len(survivors), values["now"])
    return len(survivors)
