"""A week goes: its survivors move, and the rest is dropped with its file, so that no row is deleted.

Nothing is lost whenever this ends: what was moved and that the week is gone is committed at once, and what is left to
clear away is remembered until it is.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from singr_db._partitions import GONE, Partition
from singr_db._statements import sql
from singr_db.retention._letters import keep_logs_of_week
from singr_db.retention._survivors import Connection, last_of_queues, wanted_now, watched

# Everybody who comes for a job waits while these locks are waited for, so that is short; and while they are held, so
# what is done with them is bounded too: a thousand survivors take about 30 ms.
_LOCK_TIMEOUT_MS = 200
_MOVING_TIMEOUT_MS = 10_000
_TRIES = 3
_MOST_SURVIVORS = 20_000
# A transaction that holds a lock for so long is not waited for at all.
_LONG_S = 1.0
_BITE = 5000

_WITH_THEM: Final = ("job_attempts", "job_logs")
_SAME_WEEK: Final = ("jobs", *_WITH_THEM)
_BLOCKER = sql("""
SELECT a.pid, coalesce(nullif(a.application_name, ''), 'a client'),
       extract(epoch FROM ours.xact_start - a.xact_start)::int
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_stat_activity ours ON ours.pid = pg_backend_pid()
 WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.relation = ANY (ARRAY(SELECT to_regclass(name) FROM unnest(%(names)s::text[]) AS name)::oid[])
   AND a.xact_start < ours.xact_start - %(long)s * interval '1 second'
 ORDER BY a.xact_start LIMIT 1
""")
_REMEMBER = sql("""
INSERT INTO dropped_partitions (name, survivors, dropped_at) VALUES (%(name)s, %(survivors)s, %(now)s)
ON CONFLICT (name) DO UPDATE
   SET survivors = excluded.survivors, dropped_at = excluded.dropped_at, cleared_at = NULL
""")
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


class HeldUpError(Exception):
    """The week stays for now, and why, in words; it is tried again at the next turn."""


async def drop_week(connection: Connection, span: Partition, per_queue: int, values: dict[str, Any]) -> int:
    """Move the week's survivors and let go of it; answers how many they were.

    Raises:
        HeldUpError: somebody uses the tables, or too much of the week is wanted; nothing has changed.
    """
    await _refuse_to_wait(connection, span)
    try:
        await _watch(connection, span)
        last = await last_of_queues(connection, span, per_queue)
        _refuse_many(await wanted_now(connection, span, last, values))
        await keep_logs_of_week(connection, span)
    except (LockNotAvailable, DeadlockDetected):
        raise HeldUpError("a transaction uses the table") from None
    for _ in range(_TRIES):
        await _refuse_to_wait(connection, span)
        try:
            return await _move(connection, span, last, values)
        except (LockNotAvailable, DeadlockDetected, QueryCanceled):
            continue
    raise HeldUpError("the table was busy at each try")


async def clear_away(connection: Connection, now: datetime) -> None:
    """Drop what was let go of, and delete what went with its jobs and lies elsewhere, a bite at a time."""
    for (name,) in await (await connection.execute(_UNCLEARED)).fetchall():
        for parent in _SAME_WEEK:
            await connection.execute(f"DROP TABLE IF EXISTS {GONE}{name.replace('jobs_', f'{parent}_', 1)}")
        start = datetime.strptime(f"{name[-8:]}+0000", "%Y%m%d%z")
        span = Partition("jobs", start)
        bounds = {"lower": span.lower, "upper": span.upper, "limit": _BITE}
        for orphans in _ORPHANS:
            while (await connection.execute(orphans, bounds)).rowcount == _BITE:
                pass
        await connection.execute(_CLEARED, {"name": name, "now": now})


def _refuse_many(survivors: list[UUID]) -> None:
    if len(survivors) > _MOST_SURVIVORS:
        raise HeldUpError(f"{len(survivors)} of its jobs are wanted still, more than are moved at once")


async def _refuse_to_wait(connection: Connection, span: Partition) -> None:
    names = [
        name for parent in _SAME_WEEK for name in (parent, f"{parent}_default", Partition(parent, span.start).name)
    ]
    row = await (await connection.execute(_BLOCKER, {"names": names, "long": _LONG_S})).fetchone()
    if row is not None:
        raise HeldUpError(f"a transaction of {row[1]} (pid {row[0]}) has been open for {row[2]} s")


async def _watch(connection: Connection, span: Partition) -> None:
    """Index what may be wanted, so that it is found at once while everybody waits: a job may come or change till then.

    Built beside readers and writers; an index that was not finished is made anew.
    """
    index = f"{span.name}_wanted"
    await connection.execute(f"SET lock_timeout = '{_MOVING_TIMEOUT_MS}ms'")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
    row = await (await connection.execute(valid, (index,))).fetchone()
    if row is not None and not row[0]:
        await connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT_MS}ms'")
        await connection.execute(f"DROP INDEX {index}")
        await connection.execute(f"SET lock_timeout = '{_MOVING_TIMEOUT_MS}ms'")
        row = None
    if row is None:
        await connection.execute(f"CREATE INDEX CONCURRENTLY {index} ON {span.name} (id) WHERE {watched(span)}")


async def _move(connection: Connection, span: Partition, last: set[UUID], values: dict[str, Any]) -> int:
    beside = [Partition(parent, span.start) for parent in _WITH_THEM]
    weeks = [span, *[week for week in beside if await _is_there(connection, week)]]
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_MS}ms'")
        await connection.execute(f"SET LOCAL statement_timeout = '{_MOVING_TIMEOUT_MS}ms'")
        await connection.execute("SET LOCAL enable_seqscan = off")
        # In the order of everybody else: a table before its partitions.
        tables = ", ".join(f"ONLY {parent}" for parent in _SAME_WEEK)
        await connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        names = ", ".join([*(week.name for week in weeks), *(f"{parent}_default" for parent in _SAME_WEEK)])
        await connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
        survivors = await wanted_now(connection, span, last, values)
        _refuse_many(survivors)
        for week in weeks:
            await _let_go(connection, week, survivors)
        await connection.execute(_REMEMBER, {"name": span.name, "survivors": len(survivors), "now": values["now"]})
    return len(survivors)


async def _is_there(connection: Connection, week: Partition) -> bool:
    row = await (await connection.execute("SELECT to_regclass(%s) IS NOT NULL", (week.name,))).fetchone()
    return row is not None and bool(row[0])


async def _let_go(connection: Connection, week: Partition, survivors: list[UUID]) -> None:
    key = "id" if week.parent == "jobs" else "job_id"
    await connection.execute(f"ALTER TABLE {week.parent} DETACH PARTITION {week.name}")
    if week.parent == "jobs":  # what waits has its place already, and is given no second one
        await connection.execute(
            f"UPDATE {week.name} SET placed = true WHERE id = ANY (%s) AND NOT placed",  # noqa: S608 - see Partition.name
            (survivors,),
        )
    await connection.execute(
        f"INSERT INTO {week.parent}_default SELECT * FROM {week.name} WHERE {key} = ANY (%s)",  # noqa: S608 - see Partition.name
        (survivors,),
    )
    await connection.execute(f"ALTER TABLE {week.name} RENAME TO {GONE}{week.name}")
