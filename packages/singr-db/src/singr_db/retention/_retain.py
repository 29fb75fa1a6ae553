"""One turn of retention, by one process at a time; and what the next would do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import msgspec
import psycopg
from psycopg import AsyncConnection

from singr_config import RetentionSettings
from singr_db._statements import sql
from singr_db.retention._dropping import clear_away, drop_week
from singr_db.retention._latest import Latest
from singr_db.retention._letters import keep_logs
from singr_db.retention._rules import HAS_ENDED, WANTED, longest, times
from singr_db.retention._survivors import last_of_queues, wanted_now
from singr_db.retention._weeks import Connection, HeldUpError, weeks_of
from singr_db.sessions._pool import PsycopgPool

# Seconds for which a turn is held that nobody keeps any more, its process having died.
_HELD: Final = 300
_BITE: Final = 1000
_MOST_DELETED: Final = 50_000

# A row and no advisory lock, which any role that signs in could hold, and no lock of the row, which would keep vacuum
# from its work for as long as a turn takes.
_UNTIL: Final = f"now() + interval '{_HELD} seconds'"
_TAKE_TURN = sql(f"""
INSERT INTO job_gates (name, held_until) VALUES (%(turn)s, {_UNTIL})
    ON CONFLICT (name) DO UPDATE SET held_until = excluded.held_until
 WHERE job_gates.held_until IS NULL OR job_gates.held_until < now()
RETURNING name
""")  # noqa: S608 - constants
_KEEP_TURN = sql(f"UPDATE job_gates SET held_until = {_UNTIL} WHERE name = %(turn)s")  # noqa: S608 - constants
_END_TURN = sql("UPDATE job_gates SET held_until = NULL WHERE name = %(turn)s")

_NOW = sql("SELECT now()")
_KEPT = sql(f"SELECT EXISTS (SELECT FROM jobs_default WHERE {HAS_ENDED})")  # noqa: S608 - a constant
# Of what was kept: few, as a rule. Ids that callers of `enqueue` gave themselves may lie there too, of any time.
_NO_LONGER_WANTED = sql(f"""
WITH newer AS (
    SELECT * FROM unnest(%(queues)s::text[], %(newer)s::bigint[]) AS newer(queue, jobs)
), placed AS (
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
    DELETE FROM job_attempts WHERE job_id = ANY (ARRAY(SELECT id FROM gone))
), logs AS (
    DELETE FROM job_logs WHERE job_id = ANY (ARRAY(SELECT id FROM gone))
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
async def retaining(pool: PsycopgPool, turn: str = "*retention") -> AsyncIterator[Connection | None]:
    """Open a connection for `retain`; None where another process is at it.

    One of its own, since it may be busy for minutes. The turn is this process's until it is done, or has been dead for
    five minutes.

    Args:
        pool: how to connect.
        turn: what one process at a time does.
    """
    async with await AsyncConnection.connect(**pool.parameters, autocommit=True) as connection:
        if pool.first:
            await connection.execute(pool.first)
        await connection.execute("SET statement_timeout = 0")
        if await (await connection.execute(_TAKE_TURN, {"turn": turn})).fetchone() is None:
            yield None
            return
        keeping = asyncio.create_task(_keep_turn(pool, turn))
        try:
            yield connection
        finally:
            keeping.cancel()
            with contextlib.suppress(psycopg.Error):  # the connection broke: the turn ends by itself
                await connection.execute(_END_TURN, {"turn": turn})


async def _keep_turn(pool: PsycopgPool, turn: str) -> None:
    while True:
        await asyncio.sleep(_HELD / 5)
        with contextlib.suppress(Exception):  # four more tries are left
            async with pool.connection() as connection:
                await connection.execute(_KEEP_TURN, {"turn": turn})


async def retain(connection: Connection, settings: RetentionSettings, *, now: datetime | None = None) -> Report:
    """Drop the weeks whose time is over, oldest first, and delete what was kept of others and is wanted no longer.

    May end anywhere, and goes on from there when called again.

    Args:
        connection: in autocommit, as `retaining` lends it.
        settings: how long jobs are kept.
        now: instead of the database's own time.
    """
    now = now or await server_time(connection)
    await clear_away(connection, now)
    values = times(settings, now)
    dropped: list[str] = []
    held_up: list[str] = []
    moved = 0
    weeks = await weeks_of(connection, "jobs")
    latest = Latest(connection, weeks)
    for span in weeks:
        if span.end + longest(settings) > now:
            break
        try:
            moved += await drop_week(connection, span, settings.jobs_per_queue, values, latest)
        except HeldUpError as error:
            held_up.append(f"{span.name}: {error}")
            continue
        dropped.append(span.name)
        await clear_away(connection, now)
    left = [span for span in weeks if span.name not in dropped]
    deleted = 0
    if await _has_kept(connection):
        newer = await latest.of(left)
        deleted = await _delete_kept(connection, settings.jobs_per_queue, values, newer)
    return Report(tuple(dropped), moved, deleted, tuple(held_up), left[0].start if left else None)


async def foresee(
    connection: Connection, settings: RetentionSettings, *, now: datetime | None = None
) -> tuple[Span, ...]:
    """Say what `retain` would drop now, and when it drops the other weeks; changes nothing."""
    now = now or await server_time(connection)
    spans: list[Span] = []
    weeks = await weeks_of(connection, "jobs")
    latest = Latest(connection, weeks)
    for span in weeks:
        goes_at = span.end + longest(settings)
        survivors: int | None = None
        if goes_at <= now:
            last = await last_of_queues(connection, span, settings.jobs_per_queue, latest)
            survivors = len(await wanted_now(connection, span, last, times(settings, now)))
        spans.append(Span(span.name, goes_at, survivors))
    return tuple(spans)


async def server_time(connection: Connection) -> datetime:
    """The database's own time."""
    row = await (await connection.execute(_NOW)).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM
    moment: datetime = row[0]
    return moment


async def _has_kept(connection: Connection) -> bool:
    row = await (await connection.execute(_KEPT)).fetchone()
    return row is not None and bool(row[0])


async def _delete_kept(connection: Connection, per_queue: int, values: dict[str, Any], newer: Mapping[str, int]) -> int:
    of_queues = {"queues": [*newer], "newer": [*newer.values()], "per_queue": per_queue}
    chosen = await connection.execute(_NO_LONGER_WANTED, {**values, **of_queues})
    ids = [job_id for (job_id,) in await chosen.fetchall()]
    deleted = 0
    for start in range(0, len(ids), _BITE):
        bitten = ids[start : start + _BITE]
        await keep_logs(connection, bitten)
        bite = await connection.execute(_DELETE, {**values, "ids": bitten})
        row = await bite.fetchone()
        deleted += row[0] if row is not None else 0
    return deleted
