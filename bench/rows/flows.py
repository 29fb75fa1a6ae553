"""Flows: what one costs beside the same jobs without it, and a hundred thousand members with a job at their end."""

from __future__ import annotations

import asyncio
from uuid import UUID

from bench.figures import NONE, TURNS, Row, at_least, at_most, median
from bench.harness import ORGANIZATION, Stand
from bench.noop import CONCURRENCY, NoOp
from bench.rows.jobs import await_drained, ours

from singr_config import DatabaseSettings, Secret
from singr_db import Database
from singr_jobs import Continue, Flow, enqueue

BENCH = "Flows"
SHARE_TARGET = 0.9
FAN_IN_SECONDS = 60.0


def run(place: Stand) -> list[Row]:
    """The same jobs with and without a flow, in turns; then one flow of many."""
    turns, count = place.scaled(TURNS, 1), place.scaled(20_000, 500)
    shares, rates = [], []
    for turn in range(turns):
        without = count / ours(place, BENCH, f"flows-without-{turn}", count)
        rates.append(count / in_a_flow(place, f"flows-with-{turn}", count))
        shares.append(rates[-1] / without)
    many = place.scaled(100_000, 1_000)
    seconds = in_a_flow(place, "flows-many", many)
    share = median(shares)
    return [
        Row(
            BENCH,
            f"no-op jobs a second of one flow, {count:,} with a job at their end; beside the same without a flow",
            f"{median(rates):,.0f}",
            NONE,
            f"{share:.2f}",
            at_least(share, SHARE_TARGET, "x without"),
        ),
        Row(
            BENCH,
            f"seconds for a flow of {many:,}, from the first start to the end of its completion job",
            f"{seconds:.1f}",
            NONE,
            NONE,
            at_most(seconds, FAN_IN_SECONDS, "s"),
        ),
    ]


def in_a_flow(place: Stand, name: str, count: int) -> float:
    """Seconds from the first handler's start until the completion job's end is committed."""
    environ = place.environ(place.database(name), 2)
    asyncio.run(_put(environ["DATABASE_URL"], count))
    with place.worker(name, environ, concurrency=CONCURRENCY) as worker:
        return await_drained(place, environ["DATABASE_URL"], worker, count + 1, name)


async def _put(url: str, count: int) -> None:
    flow = Flow("bench", on_failure=Continue)
    for number in range(count):
        flow.add(NoOp(number))
    flow.then(NoOp(count))
    settings = DatabaseSettings(url=Secret(url))
    async with Database(settings, application_name="bench") as database:
        async with database.platform() as session:
            await enqueue(session, flow, organization_id=UUID(ORGANIZATION))
        async with database.psycopg.connection() as connection:
            await connection.set_autocommit(True)
            await connection.execute("VACUUM (ANALYZE)")
            await connection.set_autocommit(False)
