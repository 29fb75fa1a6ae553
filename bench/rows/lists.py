"""Every list and count of the API at a million jobs, one by one: those that take the longest.

They are asked as `tests/plans` asks them, which holds the rows that each looks at; here their time is measured. What
they are asked of lies as after weeks of work: what a filter is for is among the oldest alone.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from typing import Any

from bench.figures import Row, at_most, median
from bench.harness import ROOT, Stand

from singr_config import DatabaseSettings, Secret
from singr_db import Database

BENCH = "Lists"
LIST_MS = 100.0
COUNT_MS = 10.0
ASKED = 5
COUNTS = {"queues", "a queue"}


def run(place: Stand) -> list[Row]:
    """Fill a database, and ask each a few times."""
    jobs = place.scaled(1_000_000, 20_000)
    took = asyncio.run(measured(place.database("lists"), jobs))
    counts = {name: took.pop(name) for name in COUNTS}
    return [
        row(f"the slowest of {len(took)} lists", took, jobs, LIST_MS),
        row(f"the slowest of {len(counts)} counts", counts, jobs, COUNT_MS),
    ]


def row(what: str, took: dict[str, float], jobs: int, most: float) -> Row:
    """The slowest, and the next."""
    (slowest, longest), *others = sorted(took.items(), key=lambda one: -one[1])
    following = ", ".join(f"{name} {ms:.0f}" for name, ms in others[:2])
    measure = f"{what} at {jobs:,} jobs, median of {ASKED}, ms: {slowest} (then {following})"
    return Row(BENCH, measure, f"{longest:.0f}", target=at_most(longest, most, "ms"))


async def measured(url: str, jobs: int) -> dict[str, float]:
    """Milliseconds of each, by name."""
    sys.path.append(str(ROOT / "tests" / "plans"))
    rows, asks = (importlib.import_module(name) for name in ("plans_rows", "plans_asks"))
    took: dict[str, float] = {}
    async with Database(DatabaseSettings(url=Secret(url)), application_name="bench-lists") as database:
        await rows.fill(database, jobs)
        async with database.psycopg.connection() as connection:
            await connection.set_autocommit(True)
            await connection.execute("VACUUM (ANALYZE)")
            await connection.set_autocommit(False)
        for name, ask in asks.of_tenants():
            async with database.tenant(rows.OURS) as session:
                took[name] = await median_ms(session, ask)
        for name, ask in asks.of_the_platform():
            async with database.platform() as session:
                took[name if name in COUNTS else f"{name}, by the platform"] = await median_ms(session, ask)
    return took


async def median_ms(session: Any, ask: Any) -> float:
    """What it takes once its statements are known."""
    await ask(session)
    turns = []
    for _ in range(ASKED):
        began = time.perf_counter()
        await ask(session)
        turns.append((time.perf_counter() - began) * 1000)
    return median(turns)
