"""One turn of retention, by one process at a time; and what the next would do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection

from singr_config import RetentionSettings
from singr_db._partitions import Partition, parse_partition
from singr_db._statements import sql
from singr_db.retention._dropping import HeldUpError, clear_away, drop_week
from singr_db.retention._rules import HAS_ENDED, WANTED, longest, times
from singr_db.retention._survivors import NEWER, Connection, last_of_queues, wanted_now
from singr_db.sessions._pool import PsycopgPool

_ADVISORY_KEY: Final = 0x53494E4752_52  # "SINGRR"
_BITE: Final = 1000
_MOST_DELETED: Final = 50_000

_NOW = sql("SELECT now()")
_WEEKS = sql("SELECT relid::regclass::text FROM pg_partition_tree('jobs') WHERE level = 1")
# Of what was kept: few, as a rule. Ids that callers of `enqueue` gave themselves may lie there too, of any time.
_NO_LONGER_WANTED = sql(f"""
WITH newer AS ({NEWER}), placed AS (
    SELECT id, queue, {WANTED} AS wanted,
           row_number() OVER (PARTITION BY queue ORDER BY created_at DESC, id DESC) AS place
      FROM jobs_default WHERE {HAS_ENDED}
)
SELECT id FROM placed LEFT JOIN newer USING (queue)
 WHERE NOT wanted AND place > %(per_queue)s::int - coalesce(newer.jobs, 0)
   AND NOT EXISTS (SELECT FROM messages m WHERE m.job_id = placed.id AND m.status IN ('queued', 'dispatched'))
 LIMIT {_MOST_DELETED}
""")  # noqa: S608 - constants
_DELETE = sql(f"""
WITH gone AS (DELETE FROM jobs WHERE id = ANY (%(ids)s::uuid[]) AND NOT {WANTED} RETURNING id), attempts AS (
    DELETE FROM job_attempts WHERE job_id = ANY (%(ids)s::uuid[]) AND job_id IN (SELECT id FROM gone)
)
SELECT count(*) FROM gone
""")  # noqa: S608 - constants


class Report(msgspec.Struct, frozen=True):
    """What a turn did.

    `dropped` names the weeks that went, `moved` counts the jobs that outlived them, `deleted` those that were kept
    beyond their week until now; `held_up` says of weeks that should have gone why they stay; `oldest` is the start of
    the oldest week that is there.
    """

    dropped: tuple[str, ...] = ()
    moved: int = 0
    deleted: int = 0
    held_up: tuple[str, ...] = ()
    oldest: datetime | None = None


class Span(msgspec.Struct, frozen=True):
    """A week of jobs: from when on it may go, and how many would outlive it now; None while it may not go yet."""

    name: str
    goes_at: datetime
    survivors: int | None


@asynccontextmanager
async def retaining(pool: PsycopgPool) -> AsyncIterator[Connection | None]:
    """Open a connection for `retain`; None where another process is at it.

    One of its own, since it may be busy for minutes, and what holds the others back goes with it.
    """
    async with await AsyncConnection.connect(**pool.parameters, autocommit=True) as connection:
        if pool.first:
            await connection.execute(pool.first)
        await connection.execute("SET statement_timeout = 0")
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (_ADVISORY_KEY,))).fetchone()
        yield connection if row is not None and row[0] else None


async def retain(connection: Connection, settings: RetentionSettings, *, now: datetime | None = None) -> Report:
    """Drop the weeks whose time is over, oldest first, and delete what was kept of others and is wanted no longer.

    May end anywhere, and goes on from there when called again.

    Args:
        connection: in autocommit, as `retaining` lends it.
        settings: how long jobs are kept.
        now: instead of the database's own time.
    """
    now = now or await _server_time(connection)
    await clear_away(connection, now)
    values = times(settings, now)
    dropped: list[str] = []
    held_up: list[str] = []
    moved = 0
    weeks = await _weeks(connection)
    for span in weeks:
        if span.end + longest(settings) > now:
            break
        try:
            moved += await drop_week(connection, span, settings.jobs_per_queue, values)
        except HeldUpError as error:
            held_up.append(f"{span.name}: {error}")
            continue
        dropped.append(span.name)
        await clear_away(connection, now)
    deleted = await _delete_kept(connection, settings, values)
    left = [span.start for span in weeks if span.name not in dropped]
    return Report(tuple(dropped), moved, deleted, tuple(held_up), left[0] if left else None)


async def foresee(
    connection: Connection, settings: RetentionSettings, *, now: datetime | None = None
) -> tuple[Span, ...]:
    """Say what `retain` would drop now, and when it drops the other weeks; changes nothing."""
    now = now or await _server_time(connection)
    spans: list[Span] = []
    for span in await _weeks(connection):
        goes_at = span.end + longest(settings)
        survivors: int | None = None
        if goes_at <= now:
            last = await last_of_queues(connection, span, settings.jobs_per_queue)
            survivors = len(await wanted_now(connection, span, last, times(settings, now)))
        spans.append(Span(span.name, goes_at, survivors))
    return tuple(spans)


async def _server_time(connection: Connection) -> datetime:
    row = await (await connection.execute(_NOW)).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM
    moment: datetime = row[0]
    return moment


async def _weeks(connection: Connection) -> list[Partition]:
    names = await (await connection.execute(_WEEKS)).fetchall()
    found = (parse_partition(name.rpartition(".")[2].strip('"')) for (name,) in names)
    return sorted((span for span in found if span is not None), key=lambda span: span.start)


async def _delete_kept(connection: Connection, settings: RetentionSettings, values: dict[str, Any]) -> int:
    chosen = await connection.execute(
        _NO_LONGER_WANTED,
        {**values, "per_queue": settings.jobs_per_queue, "from": "00000000-0000-0000-0000-000000000000"},
    )
    ids = [job_id for (job_id,) in await chosen.fetchall()]
    deleted = 0
    for start in range(0, len(ids), _BITE):
        bite = await connection.execute(_DELETE, {**values, "ids": ids[start : start + _BITE]})
        row = await bite.fetchone()
        deleted += row[0] if row is not None else 0
    return deleted
