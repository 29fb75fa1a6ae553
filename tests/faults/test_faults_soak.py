"""A long transaction is open while jobs come and go: what a take looks at does not grow with the time (R32)."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest
from fault_jobs import Nothing
from faults.harness import ORGANIZATION, Site, until

from singr_config import DatabaseSettings, Secret, load_settings
from singr_db import Database, new_id
from singr_db.redis import redis_client
from singr_jobs import Waker, enqueue
from singr_jobs.taking import _sql

MINUTES = max(2, int(os.environ.get("SOAK_MINUTES", "10")))
RATE = int(os.environ.get("SOAK_RATE", "300"))
TABLES = ("job_ready", "job_later", "job_tickets")
# Of jobs that are put at once, in two transactions.
BATCH = 10
PUT = (
    "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout)"
    " SELECT id, %s, 'fault.nothing', 'default', '{\"type\": \"fault.nothing\"}', 3, 0.1, 60"
    " FROM unnest(%s::uuid[]) AS t (id)"
)
# A take steps over all of them, twice, and over one page for each at worst; 300 jobs a second leave as many within
# three minutes.
MOST_DEAD = 60_000
# What a take looked at was measured (decision 56): up to 7,000 pages in half of the minutes, and it jumps, since dead
# rows gather until they are cleared. Hence medians, and four times as much.
MOST_PAGES = 28_000
WHICH: dict[str, Any] = {"queue": "default", "types": ["fault.nothing"], "after": UUID(int=0), "organizations": 200}
OURS: dict[str, Any] = {"room": 512, "places": 512, "token": 7, "lease": 15.0, "worker": "soak"}


class Minute(NamedTuple):
    """What one minute cost; `take_rows` were seen by a take, alive, and `take_pages` looked at."""

    minute: int
    come: int
    done: int
    waiting: int
    pick_up_p95_ms: float
    take_ms: float
    take_pages: int
    take_rows: int
    dead: dict[str, int]
    mb: dict[str, float]


class Soak:
    """Callers at a steady rate, and a look at the tables each minute."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.come = 0
        self.open = True
        self.minutes: list[Minute] = []

    @asynccontextmanager
    async def callers(self) -> AsyncIterator[None]:
        """Put jobs in, a tenth of them a second ahead of their time."""
        settings = DatabaseSettings(url=Secret(self.site.database_url))
        redis_settings = load_settings(self.site.environment, env_file=None).redis
        async with Database(settings, application_name="callers") as database, redis_client(redis_settings) as client:
            waker = Waker(client)
            waker.attach(database.session_info)
            putting = asyncio.create_task(self._put(database, waker))
            try:
                yield
            finally:
                self.open = False  # a batch is put whole or not at all, so that what came is what is there
                await asyncio.wait([putting])
                await waker.close()
        putting.result()

    async def _put(self, database: Database, waker: Waker) -> None:
        began = time.monotonic()
        while self.open:
            for _ in range(self.come, int((time.monotonic() - began) * RATE) - BATCH, BATCH):
                if not self.open:  # a busy machine is behind the rate, and need not catch up
                    break
                async with database.platform() as session:
                    later = datetime.now(UTC) + timedelta(seconds=1)
                    for when in (None, later):
                        await enqueue(session, Nothing(), organization_id=ORGANIZATION, run_at=when)
                async with database.psycopg.connection() as connection:  # a service's own insert
                    await connection.execute(PUT, (ORGANIZATION, [new_id() for _ in range(BATCH - 2)]))
                waker.wake(("default",))
                self.come += BATCH
            await asyncio.sleep(0.02)

    def look(self) -> Minute:
        """One line of what it costs now."""
        with psycopg.connect(self.site.database_url) as connection:
            connection.execute("SELECT FROM job_gates WHERE name = 'default' FOR UPDATE")  # ours, for this one take
            began = time.perf_counter()
            [(plan,)] = connection.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {_sql.TAKE}", WHICH | OURS
            ).fetchall()
            took = time.perf_counter() - began
            connection.rollback()
        tables = {
            name: (dead, size / 2**20)
            for name, dead, size in self.site.sql(
                "SELECT relname, n_dead_tup, pg_total_relation_size(relid) FROM pg_stat_user_tables"
                " WHERE relname = ANY (%s)",
                (list(TABLES),),
            )
        }
        [(done, p95)] = self.site.sql(
            "SELECT count(*), coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM"
            " started_at - run_at)), 0)::float8 FROM jobs WHERE status = 'completed'"
            " AND finished_at > now() - interval '1 minute'"
        )
        top = plan[0]["Plan"]
        found = Minute(
            minute=len(self.minutes),
            come=self.come,
            done=done,
            waiting=self.site.count("job_ready"),
            pick_up_p95_ms=round(1000 * p95, 1),
            take_ms=round(1000 * took, 1),
            take_pages=top["Shared Hit Blocks"] + top["Shared Read Blocks"],
            take_rows=top["Actual Rows"],
            dead={name: dead for name, (dead, _) in tables.items()},
            mb={name: round(size, 1) for name, (_, size) in tables.items()},
        )
        self.minutes.append(found)
        print(found, flush=True)  # noqa: T201 - the measurement, to be read with -s
        return found

    def pages(self) -> tuple[float, float]:
        """What a take looked at in half of the early minutes, and in half of the late ones."""
        looked_at = [minute.take_pages for minute in self.minutes]
        middle = len(looked_at) // 2
        return median(looked_at[:middle]), median(looked_at[middle:])


@pytest.mark.full
@pytest.mark.timeout(60 * MINUTES + 600)
async def test_a_transaction_held_open_makes_takes_no_dearer_with_the_time(site: Site) -> None:
    """R32: callers and a worker for minutes, beside one REPEATABLE READ transaction that never ends meanwhile."""
    soak = Soak(site)
    with site.worker(lease=15.0):
        async with soak.callers():
            with psycopg.connect(site.database_url, application_name="report") as report:
                report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                report.execute("SELECT count(*) FROM organizations")
                for _ in range(MINUTES):
                    await asyncio.sleep(60)
                    found = await asyncio.to_thread(soak.look)
                    assert max(found.dead.values()) < MOST_DEAD, soak.minutes
                    assert found.take_pages < 2 * MOST_DEAD, soak.minutes
                early, late = soak.pages()
                assert max(early, late) < MOST_PAGES, soak.minutes
                assert late < 4 * max(early, MOST_PAGES / 8), soak.minutes
        until(lambda: not site.count("jobs WHERE status <> 'completed'"), within=60, what=site.jobs)
        for table in TABLES:
            site.sql(f"VACUUM {table}")
        after = await asyncio.to_thread(soak.look)
    assert site.count("jobs") == soak.come
    assert site.count("jobs WHERE attempt <> 1") == 0
    assert after.take_pages < 100
