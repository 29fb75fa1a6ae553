"""Schedules: ten thousand that are due at the same moment, and more than a thousand fires a second for a while.

One worker process fires them and runs their no-op jobs. Schedules are copies of one that `schedule` stored, whose times
lie in the future when the worker is there.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from bench.cpu import POSTGRES
from bench.figures import NONE, Row, at_least, at_most
from bench.harness import ORGANIZATION, BenchError, Running, Stand, tail
from bench.noop import CONCURRENCY, NoOp

from singr_config import DatabaseSettings, Secret
from singr_db import Database
from singr_jobs.schedules import Every, schedule

BENCH = "Schedules"
AT_ONCE_SECONDS = 10.0
RATE_TARGET = 1_000
OFFERED = 1_200
INTERVAL = 10.0
LEAD_SECONDS = 5.0
PATIENCE_SECONDS = 120.0

_COLUMNS = """
SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
 WHERE table_name = 'schedules' AND table_schema = current_schema() AND is_generated = 'NEVER'
"""
_COPY = """
INSERT INTO schedules ({columns}) SELECT {columns} FROM (
    SELECT (jsonb_populate_record(one, jsonb_build_object('id', gen_random_uuid(), 'name', 'bench ' || n))).*
      FROM schedules AS one CROSS JOIN generate_series(2, %s) AS n) AS copies
"""
_NUMBERED = "SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS of FROM schedules"
_AT_ONCE: LiteralString = """
UPDATE schedules SET anchor_at = due.at, next_fire_at = due.at, due_at = due.at
  FROM (SELECT now() + %s * interval '1 second' AS at) AS due
"""
_SPREAD: LiteralString = f"""
UPDATE schedules SET every = {INTERVAL}, anchor_at = due.at, next_fire_at = due.at, due_at = due.at
  FROM (SELECT id, now() + (%s + {INTERVAL} * n / of) * interval '1 second' AS at FROM ({_NUMBERED}) AS each) AS due
 WHERE due.id = schedules.id
"""
_FIRED = """
SELECT count(*), extract(epoch FROM max(created_at) - min(fire_at))::float8 FROM schedule_fires WHERE outcome = 'fired'
"""
_LATE = """
SELECT count(*) FILTER (WHERE outcome = 'fired'),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM created_at - fire_at))::float8
  FROM schedule_fires WHERE fire_at >= %s AND fire_at < %s
"""


def run(place: Stand) -> list[Row]:
    """All at once, then so many a second."""
    many = place.scaled(10_000, 200)
    seconds = at_once(place, many)
    rate, late = sustained(place, place.scaled(int(OFFERED * INTERVAL), 100), place.scaled(30, 2))
    return [
        Row(
            BENCH,
            f"seconds until {many:,} schedules that were due at the same moment have fired",
            f"{seconds:.1f}",
            NONE,
            NONE,
            at_most(seconds, AT_ONCE_SECONDS, "s"),
        ),
        Row(
            BENCH,
            f"fires a second, of {OFFERED:,} asked for; p95 {late:.2f} s after their time, and a look is each second",
            f"{rate:,.0f}",
            NONE,
            NONE,
            at_least(rate, RATE_TARGET, "a second"),
        ),
    ]


def at_once(place: Stand, count: int) -> float:
    """Seconds from the moment at which all are due to the last transaction that fired one."""
    name = "schedules-at-once"
    environ = place.environ(place.database(name), 2)
    _store(environ["DATABASE_URL"], count)
    meter = place.meter()
    with place.worker(name, environ, concurrency=CONCURRENCY) as worker, _connected(environ) as connection:
        connection.execute(_AT_ONCE, (LEAD_SECONDS,))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            fired, seconds = connection.execute(_FIRED).fetchall()[0]
            if fired == count:
                break
            _go_on(place, worker, name, deadline, f"{fired} of {count} fired")
    used = meter.lap()
    place.cpu.add(BENCH, "at once", "fire", {part: used[part] for part in (POSTGRES,) if part in used}, count)
    return float(seconds)


def sustained(place: Stand, count: int, seconds: int) -> tuple[float, float]:
    """Fires a second over so many seconds, and how late they are at p95."""
    name = "schedules-sustained"
    environ = place.environ(place.database(name), 2)
    _store(environ["DATABASE_URL"], count)
    with place.worker(name, environ, concurrency=CONCURRENCY) as worker, _connected(environ) as connection:
        connection.execute(_SPREAD, (LEAD_SECONDS,))
        [(since,)] = connection.execute("SELECT min(next_fire_at) + interval '2 seconds' FROM schedules").fetchall()
        [(until, far)] = connection.execute(
            "SELECT %s + %s * interval '1 second', %s + (%s + 3) * interval '1 second'", (since, seconds) * 2
        ).fetchall()
        deadline = time.monotonic() + PATIENCE_SECONDS + seconds
        while connection.execute("SELECT clock_timestamp() < %s", (far,)).fetchall()[0][0]:
            _go_on(place, worker, name, deadline, "the time is not over")
        fired, late = connection.execute(_LATE, (since, until)).fetchall()[0]
    return fired / seconds, float(late or 0.0)


def _go_on(place: Stand, worker: Running, name: str, deadline: float, where: str) -> None:
    if worker.process.poll() is not None or time.monotonic() > deadline:
        raise BenchError(f"{where}:\n{tail(place.logs / f'{name}.log')}")
    time.sleep(0.2)


def _connected(environ: dict[str, str]) -> psycopg.Connection[Any]:
    return psycopg.connect(environ["DATABASE_URL"], autocommit=True)


def _store(url: str, count: int) -> None:
    """So many schedules, none of which is due soon."""
    asyncio.run(_one(url))
    with psycopg.connect(url, autocommit=True) as connection:
        [(columns,)] = connection.execute(_COLUMNS).fetchall()
        connection.execute(_COPY.replace("{columns}", columns), (count,))
        connection.execute("VACUUM (ANALYZE)")


async def _one(url: str) -> None:
    settings = DatabaseSettings(url=Secret(url))
    async with Database(settings, application_name="bench") as database, database.platform() as session:
        await schedule(session, "bench 1", Every(86_400), NoOp(1), organization_id=UUID(ORGANIZATION))
