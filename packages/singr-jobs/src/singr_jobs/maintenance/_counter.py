"""The chore that counts what waits, and says which of it nobody can run."""

import time
from collections import Counter as Counts
from collections.abc import Iterable, Mapping
from typing import ClassVar

from singr_db import PsycopgPool
from singr_db.chores import Chore
from singr_jobs.maintenance._served import Served
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.taking import _sql
from singr_observability import get_logger

_SAID_EVERY = 60.0
# Of how many types a sentence tells, and in how many characters: they are whatever somebody stored.
_TYPES_NAMED = 3
_NAME_LENGTH = 50

_log = get_logger("jobs.counter")


class Counter(Chore):
    """Counts all unfinished jobs, for the gauges of queues.

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
            rows = await (await connection.execute(_sql.DEPTHS)).fetchall()
        served = await self._served.pairs()
        depths: Counts[tuple[str, str]] = Counts()
        found: dict[tuple[str, str], int] = {}
        for queue, state, job_type, count in rows:
            depths[queue, state] += count
            if state == "waiting" and queue in self._queues and (queue, job_type) not in served:
                found[queue, job_type] = count
        self._tell({pair: count for pair, count in found.items() if pair in self._suspected})
        self._suspected = set(found)
        self._observer.call(self._observer.observer.depths, dict(depths))

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


def _sentence(types: "Counts[str]") -> str:
    named = [ascii(job_type)[:_NAME_LENGTH] for job_type, _ in types.most_common(_TYPES_NAMED)]
    if len(types) > _TYPES_NAMED:
        named.append(f"{len(types) - _TYPES_NAMED} more")
    return f"{types.total()} due jobs wait for a worker that knows their type: {', '.join(named)}"
