"""What a no-op job costs that uses nothing, and what a feature adds: rows written, WAL, and the rate by turns.

Rows are counted by PostgreSQL over all tables, from before a job is enqueued until its worker has stopped; what a
worker writes by the second is among them, and is little beside so many jobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from bench.cpu import POSTGRES
from bench.figures import NONE, TURNS, Row, at_least, at_most, median
from bench.harness import ORGANIZATION, Stand
from bench.noop import CONCURRENCY, QUEUE, NoOp
from bench.rows.jobs import await_drained

from singr_config import DatabaseSettings, Secret
from singr_db import Database
from singr_jobs import enqueue_many
from singr_jobs.queues import set_queue

BENCH = "Features"
SHARE_TARGET = 0.9
ROWS_TARGET = 4.1
"""The job's row, made and ended; its place, made and taken away; a tenth for tickets and what goes by the second."""
ROOM = 10_000
_AT_ONCE = 5_000
_WRITTEN = """
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::float8, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8
  FROM pg_stat_user_tables
"""


@dataclass
class Kind:
    """Jobs that use something, or nothing, and what was measured of them by turn."""

    name: str
    key: Callable[[NoOp], str | None] | None = None
    is_limited: bool = False
    rates: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    wal: list[float] = field(default_factory=list)


def run(place: Stand) -> list[Row]:
    """Drain each kind by turns."""
    turns, count = place.scaled(TURNS, 1), place.scaled(20_000, 500)
    plain = Kind("that use nothing")
    used = (
        Kind("with a unique key each", key=lambda job: str(job.number)),
        Kind("of a queue whose limits are not reached", is_limited=True),
    )
    for turn in range(turns):
        for number, kind in enumerate((plain, *used)):
            measure(place, kind, f"features-{number}-{turn}", count)
    written = [
        Row(
            BENCH,
            f"rows written a job, enqueued and run: no-op jobs {kind.name} ({median(kind.wal):,.0f} bytes of WAL)",
            f"{median(kind.rows):.2f}",
            target=at_most(median(kind.rows), ROWS_TARGET, "rows") if kind is plain else None,
        )
        for kind in (plain, *used)
    ]
    return [*written, *(share(kind, plain, count) for kind in used)]


def share(kind: Kind, plain: Kind, count: int) -> Row:
    """The rate beside that of jobs which use nothing."""
    ratio = median([one / two for one, two in zip(kind.rates, plain.rates, strict=True)])
    measure = f"no-op jobs a second {kind.name}, {count:,} pending (that use nothing: {median(plain.rates):,.0f})"
    target = at_least(ratio, SHARE_TARGET, "x without")
    return Row(BENCH, measure, f"{median(kind.rates):,.0f}", NONE, f"{ratio:.2f}", target)


def measure(place: Stand, kind: Kind, name: str, count: int) -> None:
    """Enqueue so many, and drain them."""
    environ = place.environ(place.database(name), 2)
    url = environ["DATABASE_URL"]
    rows, wal = written(url)
    asyncio.run(put(url, kind, count))
    filled = written(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    vacuumed = written(url)
    meter = place.meter()
    with place.worker(name, environ, concurrency=CONCURRENCY) as worker:
        seconds = await_drained(place, url, worker, count, name)
        used = meter.lap()
    ended = written(url)
    place.cpu.add(BENCH, kind.name, "job", {POSTGRES: used[POSTGRES]}, count)
    kind.rates.append(count / seconds)
    kind.rows.append((ended[0] - vacuumed[0] + filled[0] - rows) / count)
    kind.wal.append((ended[1] - vacuumed[1] + filled[1] - wal) / count)


async def put(url: str, kind: Kind, count: int) -> None:
    """Enqueue them as a caller does, and set the limits."""
    async with Database(DatabaseSettings(url=Secret(url)), application_name="bench") as database:
        if kind.is_limited:
            async with database.platform() as session:
                await set_queue(session, QUEUE, concurrency=ROOM, concurrency_per_organization=ROOM)
        for first in range(0, count, _AT_ONCE):
            jobs = [NoOp(number) for number in range(first, min(first + _AT_ONCE, count))]
            async with database.platform() as session:
                await enqueue_many(session, jobs, organization_id=UUID(ORGANIZATION), unique_key=kind.key)


def written(url: str) -> tuple[float, float]:
    """How many rows were written in this database until now, and how far the server's WAL is."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        found = connection.execute(_WRITTEN).fetchone()
    return (float(found[0]), float(found[1])) if found else (0.0, 0.0)
