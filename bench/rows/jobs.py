"""No-op jobs end to end: a backlog drained by one worker process, ours and BullMQ's, in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from bench.cpu import NODE, POSTGRES, VALKEY, WORKER
from bench.figures import TURNS, Row, rate_row
from bench.filling import fill
from bench.harness import OURS, PEER, THEIRS, BenchError, Running, Stand, decode_report, tail
from bench.noop import CONCURRENCY, SPENT, NoOp

BENCH = "Jobs"
RATIO_TARGET = 2.5
PATIENCE_SECONDS = 300
"""For which a worker may complete nothing, and a peer's may take."""
DRAINED = """
SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM jobs WHERE status = 'completed'
"""


def run(place: Stand) -> list[Row]:
    """Drain both in turns."""
    turns, count = place.scaled(TURNS, 1), place.scaled(20_000, 500)
    rates: dict[str, list[float]] = {OURS: [], THEIRS: []}
    for turn in range(turns):
        rates[OURS].append(count / ours(place, BENCH, f"jobs-{turn}", count))
        if place.node is not None:
            rates[THEIRS].append(count / theirs(place, turn, count))
    measure = f"no-op jobs a second, {count:,} pending, concurrency {CONCURRENCY}"
    return [rate_row(BENCH, measure, rates[OURS], rates[THEIRS], times_peer=RATIO_TARGET)]


def ours(place: Stand, bench: str, name: str, count: int) -> float:
    """Seconds from the first handler's start to the last outcome committed."""
    environ = place.environ(place.database(name), 2)
    fill(environ["DATABASE_URL"], map(NoOp, range(count)))
    meter = place.meter()
    with place.worker(name, environ, concurrency=CONCURRENCY) as worker:
        seconds = await_drained(place, environ["DATABASE_URL"], worker, count, name)
        used = meter.lap()
    place.cpu.add(bench, OURS, "job", used, count)
    spent = decode_report(place.logs / f"{name}.log", SPENT)
    place.cpu.add(bench, OURS, "job", {WORKER: spent[SPENT]}, spent["jobs"])
    return seconds


def await_drained(
    place: Stand,
    database: str,
    worker: Running,
    count: int,
    name: str,
    *,
    statement: LiteralString = DRAINED,
    values: Sequence[Any] = (),
) -> float:
    """Wait until so many jobs have completed; seconds from the first start to the last end, as the rows tell them.

    Another statement, with its values, counts others than all jobs of the database.
    """
    done, deadline = 0, time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(database, autocommit=True) as connection:
        while True:
            row = connection.execute(statement, values).fetchone()
            if row is not None and row[0] >= count:
                return float(row[1])
            if row is not None and row[0] > done:  # however slow, it goes on
                done, deadline = row[0], time.monotonic() + PATIENCE_SECONDS
            if worker.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{row} of {count} jobs drained:\n{tail(place.logs / f'{name}.log')}")
            time.sleep(0.2)


def theirs(place: Stand, turn: int, count: int) -> float:
    """The same span, as BullMQ's own worker measures it."""
    environ = place.peer_environ(COUNT=str(count), CONCURRENCY=str(CONCURRENCY))
    script = [str(place.node), str(PEER / "worker.js")]
    meter = place.meter()
    for mode in ("fill", "drain"):
        meter.lap()
        with place.program(f"drain-peer-{mode}-{turn}", script, {**environ, "MODE": mode}) as peer:
            peer.process.wait(PATIENCE_SECONDS)
    report = decode_report(place.logs / f"drain-peer-drain-{turn}.log")
    used = meter.lap()
    used.pop(POSTGRES, None)  # it takes no part
    place.cpu.add(BENCH, THEIRS, "job", {NODE: report["cpu"], VALKEY: used[VALKEY]} if used else {}, count)
    return float(report["seconds"])
