"""No-op jobs end to end: a backlog drained by one worker process, ours and BullMQ's, in turns."""

from __future__ import annotations

import time

import psycopg
from bench.harness import ORGANIZATION, OURS, PEER, THEIRS, BenchError, Row, Stand, decode_report, rate_row, tail
from bench.noop import CONCURRENCY, QUEUE

TURNS = 3
TARGET = 1.5
FILL = """
INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout, correlation_id)
SELECT uuidv7(), %(organization)s, 'bench.noop', %(queue)s, jsonb_build_object('type', 'bench.noop', 'number', number),
       3, 1, 30, 'bench-' || number
FROM generate_series(1, %(count)s) AS number
"""
DRAINED = """
SELECT count(*) FILTER (WHERE status = 'completed'), extract(epoch FROM max(finished_at) - min(started_at))::float8
FROM jobs
"""


def run(place: Stand) -> list[Row]:
    """Drain both in turns."""
    turns, count = place.scaled(TURNS, 1), place.scaled(20_000, 500)
    rates: dict[str, list[float]] = {OURS: [], THEIRS: []}
    for turn in range(turns):
        rates[OURS].append(count / ours(place, turn, count))
        if place.node is not None:
            rates[THEIRS].append(count / theirs(place, turn, count))
    measure = f"no-op jobs a second, {count:,} pending, concurrency {CONCURRENCY}"
    return [rate_row("Jobs", measure, rates[OURS], rates[THEIRS], at_least=TARGET)]


def ours(place: Stand, turn: int, count: int) -> float:
    """Seconds from the first handler's start to the last outcome committed."""
    name, environ = f"drain-worker-{turn}", place.environ(place.database("drain"), 2)
    with psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(FILL, {"organization": ORGANIZATION, "count": count, "queue": QUEUE.value})
        connection.execute("VACUUM (ANALYZE) jobs")
        with place.worker(name, environ, concurrency=CONCURRENCY) as worker:
            deadline = time.monotonic() + 180
            while True:
                row = connection.execute(DRAINED).fetchone()
                if row is not None and row[0] >= count:
                    return float(row[1])
                if worker.poll() is not None or time.monotonic() > deadline:
                    raise BenchError(f"{row} of {count} jobs drained:\n{tail(place.logs / f'{name}.log')}")
                time.sleep(0.2)


def theirs(place: Stand, turn: int, count: int) -> float:
    """The same span, as BullMQ's own worker measures it."""
    environ = place.peer_environ(COUNT=str(count), CONCURRENCY=str(CONCURRENCY))
    script = [str(place.node), str(PEER / "worker.js")]
    for mode in ("fill", "drain"):
        with place.program(f"drain-peer-{mode}-{turn}", script, {**environ, "MODE": mode}) as process:
            process.wait(180)
    return float(decode_report(place.logs / f"drain-peer-drain-{turn}.log")["seconds"])
