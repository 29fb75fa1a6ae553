"""The chore that finds lost tickets and jobs of dead workers by their leases."""

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from singr_config.clock import clock
from singr_db import LEAVE_A_WORD, PsycopgPool
from singr_db.chores import Chore
from singr_db.ending import LOSE
from singr_jobs.declare._types import Queue
from singr_jobs.intake._waker import Waker
from singr_jobs.running._endings import error_json
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.taking import _sql
from singr_jobs.taking._options import WorkerOptions
from singr_observability import get_logger

# What is said of jobs that were lost and pay no attempt.
_UNCHARGED = {
    "held": "their worker fell silent before it is known that they had begun; they are taken where they begin at once",
    None: "their ticket was lost on its way to a worker",
}
# Tickets of one turn, each of up to hundreds of jobs.
_BATCH = 16

_log = get_logger("jobs.sweeper")


class Sweeper(Chore):
    """Brings back what fell silent: tickets that were lost, and jobs whose worker died.

    Any number of processes may sweep. A job lost twice is set apart, to be run one at a time, since it may be what
    kills its process; lost as often as it may be tried, it has failed.

    While the database was away, read-only or locked, let commits hang, or refused this process's own renewals, living
    workers could not renew their leases either, and where its clock jumped ahead, leases are over that nobody let run
    out. From then on they have a whole lease to say that they live before anything of theirs is taken.
    """

    name: ClassVar = "sweep"
    module: ClassVar = "jobs.sweeper"
    jitter: ClassVar = 0.0

    def __init__(
        self,
        pool: PsycopgPool,
        options: WorkerOptions,
        *,
        leases_fail: Callable[[], bool],
        waker: Waker,
        observer: GuardedObserver,
    ) -> None:
        self._pool = pool
        self._options = options
        self.every = options.sweep_every
        self._not_before = 0.0
        self._swept_at = time.monotonic()
        self._ahead = math.inf
        self._looked = 0.0
        self._has_tickets = True
        self._leases_fail = leases_fail
        self._waker = waker
        self._observer = observer

    async def work(self) -> None:
        """One turn: a sweep, unless what kept leases from renewal is less than a lease ago."""
        began = time.monotonic()
        try:
            if self._leases_fail():
                self._be_patient()
            jumped = await self._jumped_ahead()
            if not self._has_tickets:
                self._swept_at = time.monotonic()
            elif jumped or began < self._not_before:
                await self._look_whether_it_writes()
            else:
                await self.sweep(self._looked)
        except Exception:
            self._be_patient()
            raise
        if self._waited(began):
            self._be_patient()

    def _waited(self, began: float) -> bool:
        """Whether statements had to wait so long that renewals may have had to as well."""
        return time.monotonic() - began > self._options.lease / 3

    def _be_patient(self) -> None:
        self._not_before = time.monotonic() + self._options.lease

    async def _jumped_ahead(self) -> bool:
        """Whether the database's clock has gone further than ours since the last turn, by a good part of a lease."""
        moved, asked = clock.ahead_ns(), time.monotonic()
        async with self._pool.connection() as connection:
            found = await connection.execute(_sql.TIME_AND_TICKETS)
            [(server, self._has_tickets)] = await found.fetchall()
        heard = time.monotonic()
        self._looked = float(server)
        if heard - asked > self._options.lease / 6:  # between two clocks read so far apart lies anything
            self._be_patient()
            return False
        if clock.ahead_ns() != moved:  # a test turned both clocks meanwhile
            return False
        ahead = self._looked - moved / 1e9 - heard
        jumped = ahead - self._ahead > self._options.lease / 3
        self._ahead = ahead
        if jumped:
            _log.warning("the clock of the database jumped ahead: nothing is taken for {:g} s", self._options.lease)
            self._be_patient()
        return jumped

    def turned(self, lag: float) -> None:
        # A turn that was patient has swept nothing either.
        self._observer.call(self._observer.observer.swept, max(lag, time.monotonic() - self._swept_at - self.every))

    async def sweep(self, looked: float = math.inf) -> int:
        """One sweep; answers how many jobs it brought back or gave up.

        By the database's clock when that was `looked` at: it may jump before the statement runs. Nothing is touched
        where it had to wait first: what is over by then may be so because renewals waited as well.
        """
        began = time.monotonic()
        await self._look_whether_it_writes()
        if self._waited(began):
            self._be_patient()
            return 0
        error = error_json("worker_lost", "the worker that ran this job fell silent: it was killed or cut off")
        async with self._pool.connection() as connection:
            rows = await (
                await connection.execute(LOSE, {"limit": _BATCH, "error": error, "looked": looked})
            ).fetchall()
        self._swept_at = time.monotonic()
        back: set[str] = set()
        uncharged: Counter[str] = Counter()
        for job_id, queue, job_type, status, attempt, outcome, promoted in rows:
            back.update(promoted)
            if outcome == "lost":
                self._observer.stalled(Queue.stored(queue), job_type, job_id, attempt, status)
            else:
                uncharged[_UNCHARGED[outcome]] += 1
            if status == "pending":
                back.add(queue)
        for why, count in uncharged.items():
            _log.info("{} jobs wait again: {}", count, why)
        self._waker.wake(back)
        return len(rows)

    async def _look_whether_it_writes(self) -> None:
        """Fail while the database is away or read-only, and wait while somebody locks it or its commits hang."""
        async with self._pool.connection() as connection:
            await connection.execute(_sql.PROBE)
            await connection.execute(LEAVE_A_WORD)
