"""Limits by key that are set and not reached: the same worker's drain rate of no-op jobs with a key and without."""

from __future__ import annotations

from bench.cpu import POSTGRES
from bench.figures import TURNS, Row, at_least, median
from bench.filling import fill
from bench.harness import Stand
from bench.noop import ACCOUNTS, CONCURRENCY, KeyedNoOp, NoOp
from bench.rows.jobs import await_drained

BENCH = "Keys"
RATIO_TARGET = 0.9


def run(place: Stand) -> list[Row]:
    """Drain both by turns."""
    turns, count = place.scaled(TURNS, 1), place.scaled(20_000, 500)
    rates: dict[str, list[float]] = {"plain": [], "keyed": []}
    for turn in range(turns):
        for name, kind in (("plain", NoOp), ("keyed", KeyedNoOp)):
            rates[name].append(count / _drained(place, f"keys-{name}-{turn}", name, kind, count))
    plain, keyed = median(rates["plain"]), median(rates["keyed"])
    measure = f"no-op jobs a second of {ACCOUNTS:,} keys, limits not reached, {count:,} pending; beside jobs without"
    target = at_least(keyed / plain, RATIO_TARGET, "times")
    return [Row(BENCH, measure, f"{keyed:,.0f}", f"{plain:,.0f}", f"{keyed / plain:.2f}", target)]


def _drained(place: Stand, name: str, who: str, kind: type[NoOp | KeyedNoOp], count: int) -> float:
    environ = place.environ(place.database(name), 2)
    fill(environ["DATABASE_URL"], map(kind, range(count)))
    meter = place.meter()
    with place.worker(name, environ, concurrency=CONCURRENCY) as worker:
        seconds = await_drained(place, environ["DATABASE_URL"], worker, count, name)
        used = meter.lap()
    place.cpu.add(BENCH, who, "job", {POSTGRES: used[POSTGRES]}, count)
    return seconds
