"""A great backlog: the same worker's drain rate with a million jobs behind what it drains and without, by turns.

Both databases are filled up before each turn by as many jobs as were drained, so both are vacuumed alike. Then the
statement that takes 512 jobs, alone, by the clock; what it took is given back each time.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from bench.cpu import POSTGRES, WORKER
from bench.figures import TURNS, Row, at_least, at_most, median
from bench.filling import fill
from bench.harness import BenchError, Stand, decode_report
from bench.noop import CONCURRENCY, QUEUE, SPENT, NoOp
from bench.rows.jobs import await_drained

from singr_config.testing import settings_for_tests
from singr_db import Database, PsycopgPool
from singr_jobs.declare._job_types import declared
from singr_jobs.taking import _sql
from singr_jobs.taking._claims import Claimant, take
from singr_jobs.taking._dispatcher import ORGANIZATIONS_A_ROUND, TICKET_SIZE, new_token

BENCH = "Backlog"
RATIO_TARGET = 0.9
TAKE_TARGET_MS = 10.0
LEASE_SECONDS = 60.0
OLDEST = "SELECT id FROM job_ready WHERE queue = %s ORDER BY organization_id, priority, run_at, id LIMIT %s"
WAITING = "SELECT count(*) FROM job_ready"
DRAINED = """
SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at))::float8
  FROM jobs WHERE id BETWEEN %s AND %s AND status = 'completed'
"""


@dataclass
class Depth:
    """A database in which so many jobs stay behind those that are drained, and what was measured of it, by turn."""

    name: str
    behind: int
    environ: dict[str, str]
    rates: list[float] = field(default_factory=list)

    @property
    def who(self) -> str:
        """As the table of CPU time names it."""
        return f"{self.behind:,} behind"

    @property
    def database(self) -> str:
        """Where it is."""
        return self.environ["DATABASE_URL"]

    def fill_up(self, more: int = 0) -> None:
        """Let those that stay behind wait, and so many more."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            there = connection.execute(WAITING).fetchone()
        fill(self.database, map(NoOp, range(self.behind + more - (there[0] if there else 0))))


def run(place: Stand) -> list[Row]:
    """Drain both in turns, then take from both in turns."""
    turns, count = place.scaled(TURNS, 1), place.scaled(20_000, 500)
    # A few stay behind in either, so that both are measured in the middle of their work.
    shallow, deep = (
        Depth(name, behind, place.environ(place.database(f"backlog_{name}"), number))
        for number, (name, behind) in enumerate(
            {"shallow": place.scaled(10_000, 1_000), "deep": place.scaled(1_000_000, 10_000)}.items(), start=2
        )
    )
    for turn in range(turns):
        for depth in (shallow, deep):
            depth.rates.append(count / drain(place, depth, turn, count))
    for depth in (shallow, deep):
        depth.fill_up()
    takes = asyncio.run(taken(place, (shallow, deep)))
    return rows(shallow, deep, count, takes)


def rows(shallow: Depth, deep: Depth, count: int, takes: dict[str, list[float]]) -> list[Row]:
    """The rate beside that of nearly no backlog, and the milliseconds of a take."""
    ratio = median([one / two for one, two in zip(deep.rates, shallow.rates, strict=True)])
    took = median(takes[deep.name])
    return [
        Row(
            BENCH,
            f"no-op jobs a second, {count:,} with {deep.who} (with {shallow.who}: {median(shallow.rates):,.0f})",
            f"{median(deep.rates):,.0f}",
            ratio=f"{ratio:.2f}",
            target=at_least(ratio, RATIO_TARGET, f"of {shallow.who}"),
        ),
        Row(
            BENCH,
            f"a take of {TICKET_SIZE} with {deep.who}, ms (with {shallow.who}: {median(takes[shallow.name]):.1f})",
            f"{took:.1f}",
            target=at_most(took, TAKE_TARGET_MS, "ms"),
        ),
    ]


def drain(place: Stand, depth: Depth, turn: int, count: int) -> float:
    """Fill up to so many jobs and those that stay behind; seconds from the first start of the oldest to their end."""
    name = f"backlog-{depth.name}-{turn}"
    depth.fill_up(count)
    with psycopg.connect(depth.database, autocommit=True) as connection:
        oldest = [job_id for (job_id,) in connection.execute(OLDEST, (QUEUE.value, count))]
    span = (min(oldest), max(oldest))
    meter = place.meter()
    with place.worker(name, depth.environ, concurrency=CONCURRENCY) as worker:
        seconds = await_drained(place, depth.database, worker, count, name, statement=DRAINED, values=span)
    used = meter.lap()
    spent = decode_report(place.logs / f"{name}.log", SPENT)  # by then it had begun with those behind
    place.cpu.add(BENCH, depth.who, "job", {part: used[part] for part in (POSTGRES,) if part in used}, spent["jobs"])
    place.cpu.add(BENCH, depth.who, "job", {WORKER: spent[SPENT]}, spent["jobs"])
    return seconds


async def taken(place: Stand, depths: tuple[Depth, ...]) -> dict[str, list[float]]:
    """Milliseconds of each take, from each by turns; nothing else runs."""
    found: dict[str, list[float]] = {depth.name: [] for depth in depths}
    for _ in range(place.scaled(10, 1)):
        for depth in depths:
            settings = settings_for_tests(DATABASE_URL=depth.database, REDIS_URL=depth.environ["REDIS_URL"])
            async with Database(settings.database, application_name="bench-backlog") as database:
                found[depth.name] += [await one_take(database.psycopg) for _ in range(place.scaled(10, 2))]
    return found


async def one_take(pool: PsycopgPool) -> float:
    """Milliseconds of one take, whose jobs then wait again."""
    token, claimant = new_token(), Claimant("bench", LEASE_SECONDS, [declared(NoOp(0)).name])
    began = time.perf_counter()
    got = await take(
        pool,
        QUEUE,
        claimant,
        token=token,
        room=TICKET_SIZE,
        places=TICKET_SIZE,
        after=UUID(int=0),
        organizations=ORGANIZATIONS_A_ROUND,
    )
    milliseconds = (time.perf_counter() - began) * 1000
    async with pool.connection() as connection:
        await connection.execute(_sql.GIVE_BACK_TICKETS, {"tokens": [token]})
    if len(got.jobs) != TICKET_SIZE:
        raise BenchError(f"a take brought {len(got.jobs)} jobs, not {TICKET_SIZE}")
    return milliseconds
