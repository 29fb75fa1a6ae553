"""Letting go of a week of several tables: everybody waits for a moment, and for no longer than that.

Nothing is lost whenever this ends: what was moved and that the week is gone is committed at once.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from singr_db._partitions import GONE, PARTITIONED, Partition, parse_partition
from singr_db._statements import sql

Connection = AsyncConnection[Any]
_Answer = TypeVar("_Answer")

# Everybody who comes for a row waits while these locks are waited for, so that is short; and while they are held, so
# what is done with them is bounded too: a thousand survivors take about 30 ms.
_LOCK_TIMEOUT_MS = 200
_MOVING_TIMEOUT_MS = 10_000
_TRIES = 3
# A transaction that holds a lock for so long is not waited for at all.
_LONG_S = 1.0

_BLOCKER: Final = sql("""
SELECT a.pid, coalesce(nullif(a.application_name, ''), 'a client'),
       extract(epoch FROM ours.xact_start - a.xact_start)::int
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_stat_activity ours ON ours.pid = pg_backend_pid()
 WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.relation = ANY (ARRAY(SELECT to_regclass(name) FROM unnest(%(names)s::text[]) AS name)::oid[])
   AND a.xact_start < ours.xact_start - %(long)s * interval '1 second'
 ORDER BY a.xact_start LIMIT 1
""")
_REMEMBER: Final = sql("""
INSERT INTO dropped_partitions (name, survivors, dropped_at, cleared_at)
VALUES (%(name)s, %(survivors)s, %(now)s, %(cleared_at)s)
ON CONFLICT (name) DO UPDATE
   SET survivors = excluded.survivors, dropped_at = excluded.dropped_at, cleared_at = excluded.cleared_at
""")
_WEEKS: Final = sql("SELECT relid::regclass::text FROM pg_partition_tree(%(parent)s) WHERE level = 1")


class HeldUpError(Exception):
    """The week stays for now, and why, in words; it is tried again at the next turn."""


async def weeks_of(connection: Connection, parent: str) -> list[Partition]:
    """The weeks of a table that there are, oldest first."""
    names = await (await connection.execute(_WEEKS, {"parent": parent})).fetchall()
    found = (parse_partition(name.rpartition(".")[2].strip('"')) for (name,) in names)
    return sorted((span for span in found if span is not None), key=lambda span: span.start)


async def refuse_to_wait(connection: Connection, tables: Sequence[str], start: datetime) -> None:
    """Return where nobody holds the tables for long.

    Raises:
        HeldUpError: somebody does; it names them.
    """
    names = [name for parent in tables for name in (parent, f"{parent}_default", Partition(parent, start).name)]
    row = await (await connection.execute(_BLOCKER, {"names": names, "long": _LONG_S})).fetchone()
    if row is not None:
        raise HeldUpError(f"a transaction of {row[1]} (pid {row[0]}) has been open for {row[2]} s")


@asynccontextmanager
async def looking() -> AsyncIterator[None]:
    """What is looked at before any lock that somebody would notice.

    Raises:
        HeldUpError: somebody uses the table.
    """
    try:
        yield
    except (LockNotAvailable, DeadlockDetected):
        raise HeldUpError("a transaction uses the table") from None


async def patiently(
    connection: Connection, tables: Sequence[str], start: datetime, move: Callable[[], Awaitable[_Answer]]
) -> _Answer:
    """Try to move a few times.

    Raises:
        HeldUpError: somebody uses the tables each time; nothing has changed.
    """
    for _ in range(_TRIES):
        await refuse_to_wait(connection, tables, start)
        try:
            return await move()
        except (LockNotAvailable, DeadlockDetected, QueryCanceled):
            continue
    raise HeldUpError("the table was busy at each try")


async def watch(connection: Connection, span: Partition, condition: str) -> None:
    """Index what may be wanted, so that it is found at once while everybody waits: a row may come or change till then.

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
        await connection.execute(f"CREATE INDEX CONCURRENTLY {index} ON {span.name} (id) WHERE {condition}")


@asynccontextmanager
async def alone(connection: Connection, tables: Sequence[str], start: datetime) -> AsyncIterator[list[Partition]]:
    """Open a transaction in which nobody else reads or writes the tables; gives the weeks of them that are there.

    Raises:
        LockNotAvailable: somebody else does.
    """
    weeks = [week for week in (Partition(parent, start) for parent in tables) if await _is_there(connection, week)]
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_MS}ms'")
        await connection.execute(f"SET LOCAL statement_timeout = '{_MOVING_TIMEOUT_MS}ms'")
        await connection.execute("SET LOCAL enable_seqscan = off")
        # In the order of everybody else: a table before its partitions.
        parents = ", ".join(f"ONLY {parent}" for parent in tables)
        await connection.execute(f"LOCK TABLE {parents} IN ACCESS EXCLUSIVE MODE")
        names = ", ".join([*(week.name for week in weeks), *(f"{parent}_default" for parent in tables)])
        await connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
        yield weeks


async def let_go(
    connection: Connection,
    week: Partition,
    survivors: list[UUID],
    prepare: Callable[[Partition], Awaitable[None]] | None = None,
) -> None:
    """Move what survives of a week to the DEFAULT partition, and keep the rest apart, where nobody reaches it.

    Args:
        connection: alone with the tables.
        week: of one table.
        survivors: ids by which it is partitioned.
        prepare: what is done to its rows first, once it is no partition any more.
    """
    await connection.execute(f"ALTER TABLE {week.parent} DETACH PARTITION {week.name}")
    if prepare is not None:
        await prepare(week)
    await connection.execute(
        f"INSERT INTO {week.parent}_default SELECT * FROM {week.name}"  # noqa: S608 - see Partition.name
        f" WHERE {PARTITIONED[week.parent]} = ANY (%s)",
        (survivors,),
    )
    await connection.execute(f"ALTER TABLE {week.name} RENAME TO {GONE}{week.name}")


async def remember(
    connection: Connection, week: Partition, survivors: int, now: datetime, *, is_cleared: bool = False
) -> None:
    """Remember that a week is gone, so that it is not made again; `is_cleared`: what is left of it is seen to apart."""
    values = {"name": week.name, "survivors": survivors, "now": now, "cleared_at": now if is_cleared else None}
    await connection.execute(_REMEMBER, values)


async def drop_gone(connection: Connection, week: Partition) -> None:
    """Drop what was let go of, with its file."""
    await connection.execute(f"DROP TABLE IF EXISTS {GONE}{week.name}")


async def _is_there(connection: Connection, week: Partition) -> bool:
    row = await (await connection.execute("SELECT to_regclass(%s) IS NOT NULL", (week.name,))).fetchone()
    return row is not None and bool(row[0])
