"""The chore that looks for jobs that lie nowhere: not ended, and not where anybody would take them from."""

from typing import ClassVar

from singr_db import PsycopgPool
from singr_db.chores import Chore
from singr_jobs.intake._waker import Waker
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.taking import _sql
from singr_observability import get_logger

_MOST = 1000

_log = get_logger("jobs.auditor")


class Auditor(Chore):
    """Gives jobs a place that have lost theirs, and says so: none ever should.

    Every statement moves a job and its place together, so what this finds was done by hand, by a restored backup of
    some tables, or by a fault of ours. It reads all jobs that are kept: once an hour, in one process at a time.
    """

    name: ClassVar = "the audit of jobs"
    module: ClassVar = "jobs.auditor"
    jitter: ClassVar = 0.5
    at_once: ClassVar = False
    every = 3600.0

    def __init__(self, pool: PsycopgPool, *, waker: Waker, observer: GuardedObserver) -> None:
        self._pool = pool
        self._waker = waker
        self._observer = observer

    async def work(self) -> int:
        """One audit; answers how many jobs it found."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_sql.PLACE_ASTRAY, {"limit": _MOST})).fetchall()
        found: dict[str, int] = dict(rows)
        if found:
            named = ", ".join(f"{count} of {queue}" for queue, count in sorted(found.items()))
            _log.error("jobs lay nowhere, and have a place again: {}", named)
            self._observer.call(self._observer.observer.astray, found)
            self._waker.wake(found)
        return sum(found.values())
