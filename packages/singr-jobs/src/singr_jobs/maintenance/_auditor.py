"""The chore that looks for jobs that lie nowhere, where nobody would ever take them from, or in two places."""

from collections import Counter
from typing import ClassVar

from psycopg.rows import TupleRow

from singr_db import PsycopgPool
from singr_db.chores import Chore
from singr_jobs.intake._waker import Waker
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.taking import _sql
from singr_observability import get_logger

_AT_ONCE = 1000
# Seconds from a worker's start to its first audit, and from one audit to the next.
_FIRST = 60.0
_HOURLY = 3600.0
# A statement's usual half a minute would end each audit of a large table.
_PATIENCE = "SET LOCAL statement_timeout = '10min'"

_log = get_logger("jobs.auditor")


class Auditor(Chore):
    """Gives jobs a place that have lost theirs, takes one away from those that have two, and says so: none ever should.

    Every statement moves a job and its place together, so what this finds was done by hand, by a restored backup of
    some tables, or by a fault of ours. It reads all jobs that are kept: about a minute after a worker started and once
    an hour, in one process at a time. Not at the start itself, when a worker is wanted most for what waits.
    """

    name: ClassVar = "the audit of jobs"
    module: ClassVar = "jobs.auditor"
    jitter: ClassVar = 0.5
    at_once: ClassVar = False
    every = _FIRST

    def __init__(self, pool: PsycopgPool, *, waker: Waker, observer: GuardedObserver) -> None:
        self._pool = pool
        self._waker = waker
        self._observer = observer

    async def work(self) -> int:
        """One audit; answers how many jobs it found."""
        self.every = _HOURLY
        found: Counter[str] = Counter(dict(await self._found(_sql.UNPLACE_TWICE_PLACED, {})))
        nowhere: dict[str, int]
        while nowhere := dict(await self._found(_sql.PLACE_ASTRAY, {"limit": _AT_ONCE})):
            found += Counter(nowhere)
            self._waker.wake(nowhere)
        if found:
            named = ", ".join(f"{count} of {queue}" for queue, count in sorted(found.items()))
            _log.error("jobs lay nowhere, or in two places, and lie in one again: {}", named)
            self._observer.call(self._observer.observer.astray, dict(found))
        return found.total()

    async def _found(self, statement: str, values: dict[str, int]) -> list[TupleRow]:
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_PATIENCE)
            return await (await connection.execute(statement, values)).fetchall()
