"""The chore that counts what waits, and says which of it nobody can run."""

import time
from collections import Counter as Counts
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar, Final

from psycopg import AsyncConnection
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import TupleRow

from singr_db import PsycopgPool, sql
from singr_db.chores import Chore
from singr_jobs.maintenance._presence import SERVED
from singr_jobs.maintenance._served import Served
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.taking import _sql
from singr_observability import get_logger

_SAID_EVERY = 60.0
# Of how many types a sentence tells, and in how many characters: they are whatever somebody stored.
_TYPES_NAMED = 3
_NAME_LENGTH = 50

_log = get_logger("jobs.counter")


# Whoever counts has the row; the others tell what was counted last, and so does whoever finds that it is not time yet.
_COUNTS: Final = "*counts"
_MAKE_GATE: Final = sql(f"INSERT INTO job_gates (name) VALUES ('{_COUNTS}') ON CONFLICT DO NOTHING")  # noqa: S608 - ours
_MAY_COUNT: Final = sql(f"""
SELECT held_until IS NULL OR held_until <= now(), set_config('synchronous_commit', 'off', true)
  FROM job_gates WHERE name = '{_COUNTS}' FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - ours
_FORGET: Final = sql("DELETE FROM queue_counts")
_KEEP: Final = sql("""
INSERT INTO queue_counts (queue, state, type, jobs, oldest)
SELECT queue, state, type, sum(jobs), min(oldest)
  FROM unnest(%(queues)s::text[], %(states)s::text[], %(types)s::text[], %(jobs)s::bigint[], %(oldest)s::timestamptz[])
       AS counted (queue, state, type, jobs, oldest) GROUP BY 1, 2, 3
""")
_COUNT_AGAIN: Final = sql(f"""
UPDATE job_gates SET held_until = now() + %(seconds)s * interval '1 second' WHERE name = '{_COUNTS}'
""")  # noqa: S608 - ours
_KEPT: Final = sql("SELECT queue, state, type, jobs, oldest FROM queue_counts")
# What waits for an operator; by indexes of what is open or running, of the latest letters so many.
_UNSETTLED: Final = sql("""
SELECT 'dead', queue, count(*)
  FROM (SELECT queue FROM dead_letters WHERE state = 'open' ORDER BY id DESC LIMIT 10000) AS latest GROUP BY queue
UNION ALL
SELECT 'paused', queue, count(*) FROM queue_settings
 WHERE paused_at IS NOT NULL AND for_organization IS NULL GROUP BY queue
UNION ALL
SELECT 'bulk', action, count(*) FROM bulk_actions WHERE state IN ('counting', 'running') GROUP BY action
""")
# A count may take one part in so many of all time.
_ONE_IN: Final = 100


class Counter(Chore):
    """Counts all unfinished jobs, for the gauges of queues, and keeps the count for whoever asks (decision 72).

    One process counts at a time, and the dearer a count is, the seldomer: the others tell what it kept.

    Jobs that are due, and of a type that no live worker runs from their queue, are told apart: workers leave them
    alone, so that they wait until somebody deploys a worker that knows them. They count as such once two turns in a
    row have found nobody, so that workers which begin together, or a Redis that forgot, are no cause for a word.
    """

    name: ClassVar = "counting jobs"
    module: ClassVar = "jobs.counter"
    jitter: ClassVar = 0.0
    every = 15.0

    def __init__(self, pool: PsycopgPool, served: Served, *, queues: Iterable[str], observer: GuardedObserver) -> None:
        self._pool = pool
        self._served = served
        self._queues = tuple(queues)
        self._observer = observer
        self._suspected: set[tuple[str, str]] = set()
        self._said_at = -_SAID_EVERY
        self.unknown: dict[str, str] = {}

    async def work(self) -> None:
        """One count."""
        async with self._pool.connection() as connection:
            try:
                rows = await _counted(connection)
            except ReadOnlySqlTransaction:
                rows = await (await connection.execute(_sql.DEPTHS)).fetchall()
            if rows is None:
                rows = await (await connection.execute(_KEPT)).fetchall()
            told = await (await connection.execute(SERVED)).fetchall()
            unsettled = await (await connection.execute(_UNSETTLED)).fetchall()
        served = await self._served.pairs() | set(told)
        depths: Counts[tuple[str, str]] = Counts()
        found: dict[tuple[str, str], int] = {}
        for queue, state, job_type, count, _ in rows:
            depths[queue, state] += count
            if state == "waiting" and queue in self._queues and (queue, job_type) not in served:
                found[queue, job_type] = count
        self._tell({pair: count for pair, count in found.items() if pair in self._suspected})
        self._suspected = set(found)
        self._observer.call(self._observer.observer.depths, dict(depths))
        counts = {(what, name): count for what, name, count in unsettled}
        self._observer.call(self._observer.observer.unsettled, counts)

    def _tell(self, unknown: Mapping[tuple[str, str], int]) -> None:
        by_queue: dict[str, Counts[str]] = {queue: Counts() for queue in self._queues}
        for (queue, job_type), count in unknown.items():
            by_queue[queue][job_type] = count
        self._observer.call(
            self._observer.observer.unknown, {queue: types.total() for queue, types in by_queue.items()}
        )
        self.unknown = {queue: _sentence(types) for queue, types in by_queue.items() if types}
        if self.unknown and time.monotonic() - self._said_at >= _SAID_EVERY:
            self._said_at = time.monotonic()
            _log.warning("{}", "; ".join(f"queue {queue}: {what}" for queue, what in self.unknown.items()))


async def _counted(connection: AsyncConnection[TupleRow]) -> list[TupleRow] | None:
    """Count and keep it; None where somebody else does, or it is not time yet."""
    await connection.execute(_MAKE_GATE)
    async with connection.transaction():
        may = await (await connection.execute(_MAY_COUNT)).fetchone()
        if may is None or not may[0]:
            return None
        began = time.monotonic()
        rows = await (await connection.execute(_sql.DEPTHS)).fetchall()
        took = time.monotonic() - began
        await connection.execute(_FORGET)
        columns = {
            name: [row[place] for row in rows] for place, name in enumerate(("queues", "states", "types", "jobs"))
        }
        oldest = _oldest(rows)
        since = [oldest.get(queue) if state == "waiting" else None for queue, state, *_ in rows]
        await connection.execute(_KEEP, {**columns, "oldest": since})
        await connection.execute(_COUNT_AGAIN, {"seconds": took * _ONE_IN})
    return rows


def _oldest(rows: Iterable[TupleRow]) -> dict[str, datetime]:
    """Since when the oldest job of each queue could be taken, of whatever type."""
    found: dict[str, datetime] = {}
    for queue, *_, since in rows:
        if since is not None:
            found[queue] = min(since, found.get(queue, since))
    return found


def _sentence(types: "Counts[str]") -> str:
    named = [ascii(job_type)[:_NAME_LENGTH] for job_type, _ in types.most_common(_TYPES_NAMED)]
    if len(types) > _TYPES_NAMED:
        named.append(f"{len(types) - _TYPES_NAMED} more")
    return f"{types.total()} due jobs wait for a worker that knows their type: {', '.join(named)}"
