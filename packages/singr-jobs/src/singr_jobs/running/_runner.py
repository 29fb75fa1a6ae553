"""Running jobs: handlers are called, leases renewed, and what cannot begin is offered to others."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from singr_db import PsycopgPool
from singr_db.chores import Trouble
from singr_jobs.declare._job_types import MAX_TIMEOUT, Jobs
from singr_jobs.declare._types import Queue
from singr_jobs.running._cancelling import Cancelling, at_work_still
from singr_jobs.running._crossing import Arrivals, Departures
from singr_jobs.running._endings import Ended, cancelled, failed, for_good
from singr_jobs.running._held_keys import HeldKeys
from singr_jobs.running._holdings import Holdings
from singr_jobs.running._leases import LeaseKeeper
from singr_jobs.running._line import Line
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.running._outcomes import Outcomes
from singr_jobs.running.attempts._attempts import Attempts
from singr_jobs.running.attempts._contexts import Contexts
from singr_jobs.running.attempts._threads import Threads
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import Claimant, Shares
from singr_jobs.taking._handing import HandOver
from singr_jobs.taking._options import WorkerOptions
from singr_jobs.taking._rules import OwnRules
from singr_jobs.taking._tickets import Ticket
from singr_observability import get_logger

_OUTCOMES_AHEAD = 4096
_DEADLINES_EVERY = 0.05
# Seconds of a stop beyond its grace: for handlers that were cut off, and for outcomes. A database that is away while
# nothing runs any more gets what is left of the grace, too.
_CUT_OFF = 1.0
_FLUSH = 1.0
# Seconds that a handler has for its cancellation, when nobody waits for the worker's end.
_STUBBORN = 5.0

_log = get_logger("jobs.runner")


class Runner:
    """Runs the handlers of the jobs that it is given, and hands their outcomes on in batches.

    Lives on one event loop; only `accept` and `has_room` may be called from other threads.
    """

    def __init__(
        self,
        pool: PsycopgPool,
        jobs: Jobs,
        options: WorkerOptions,
        *,
        resources: Mapping[type, Any],
        worker: str,
        observer: GuardedObserver,
        handing: HandOver,
        freed: Callable[..., None],
        let_go: Callable[[Queue], None],
        promoted: Callable[[Iterable[str]], None],
    ) -> None:
        self._pool = pool
        self._jobs = jobs
        self._options = options
        self._worker = worker
        self._observer = observer
        self._handing = handing
        self._freed = freed
        self._let_go = let_go
        self._loop = asyncio.get_running_loop()
        self._lines = {queue: Line(queue, of.concurrency) for queue, of in options.queues.items()}
        self._claimed: dict[UUID, tuple[Line, ClaimedJob]] = {}
        self._at_work = asyncio.Event()
        self._holdings = Holdings()
        self.outcomes = Outcomes(
            pool, worker=worker, holdings=self._holdings, settled=self._settled, locked=self._locked, promoted=promoted
        )
        self._contexts = Contexts(pool, resources)
        self._leases = LeaseKeeper(pool, lease=options.lease, in_hand=self._jobs_in_hand, renewed=self._renewed)
        self._arrivals = {
            queue: Arrivals(pool, line, self, handing, self._begin) for queue, line in self._lines.items()
        }
        self._departures = Departures(self._lines.values(), handing, forget=self._forget_all, begin=self._start_ready)
        self._held_keys = HeldKeys(self._lines.values(), handing, forget=self._forget_all)
        self._interrupted: list[ClaimedJob] = []
        self._cancelling = Cancelling(pool, cancel=self._cancel)
        threads = Threads(start_ready=self._start_ready, freed=freed)
        self._attempts = Attempts(jobs, options, contexts=self._contexts, threads=threads, observer=observer)
        self._giving_back = Trouble("the giving back of jobs", module="jobs.runner")
        self._stopping, self._cut = False, asyncio.Event()

    def target(self, queue: Queue) -> int:
        """How many jobs of the queue this process would like to have in hand."""
        return self._lines[queue].target

    def room(self, queue: Queue) -> int:
        """How many more of them than it has, those left out whose outcome alone is still to be written."""
        return self._lines[queue].room

    def overrun(self) -> dict[str, str]:
        """The queues of which nothing more is taken here, and why in words."""
        return {queue.value: line.shut for queue, line in self._lines.items() if line.shut}

    def places(self, queue: Queue) -> int:
        """How many jobs of the queue would begin at once."""
        return self._lines[queue].places

    def places_for_anyone(self, queue: Queue) -> int:
        """How many would, whoever's they are."""
        return self._lines[queue].places_for_anyone

    def in_hand(self, queue: Queue) -> int:
        """How many jobs of the queue it has: handed over, taken, or with their outcome still to be written."""
        return self._lines[queue].in_hand

    def holds(self, job_id: UUID) -> bool:
        """Whether this process has the job in hand."""
        return job_id in self._claimed

    def claimant(self) -> Claimant:
        """Who takes jobs here, and of which types."""
        return Claimant(self._worker, self._options.lease, self._jobs.runnable())

    def taking(self, tokens: Sequence[int]) -> AbstractContextManager[None]:
        """Keep the leases of these tickets while they are on their way."""
        return self._leases.taking(tokens)

    def leases_fail(self) -> bool:
        """Whether leases could not be renewed just now."""
        return self._leases.failing

    def has_room(self, queue: Queue) -> bool:
        """Whether a ticket of the queue would be welcome here; read from the transport's threads."""
        line = self._lines[queue]
        return not self._stopping and line.room > 0

    def accept(self, ticket: Ticket) -> None:
        """Take what another process hands over; returns at once, from any thread."""
        self._loop.call_soon_threadsafe(self._arrivals[ticket.queue].add, ticket)

    def shares(self, queue: Queue, own: Mapping[UUID, OwnRules], *, at_once: bool = False) -> Shares | None:
        """How many more jobs of each organization may come into hand, or begin `at_once`, where several share."""
        return self._lines[queue].shares(time.monotonic(), own, at_once=at_once)

    def take(self, queue: Queue, jobs: Sequence[ClaimedJob], *, first: bool = False) -> None:
        """Run these jobs, which lie on tickets of this process; `first` before others that wait here."""
        line = self._lines[queue]
        line.in_hand += len(jobs)
        self._begin(line, jobs, first=first)

    async def run(self) -> None:
        """Serve until cancelled; cancel only after `stop`. Whoever calls it runs `outcomes` beside it, and longer."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._leases.run())
            group.create_task(self._watch_deadlines())
            group.create_task(self._departures.run(self._at_work))
            group.create_task(self._cancelling.run())
            group.create_task(self._held_keys.run())
            group.create_task(self._contexts.logbook.run())
            for arrivals in self._arrivals.values():
                group.create_task(arrivals.run(self._options.poll))

    async def stop(self, grace: float) -> None:
        """Finish work in hand within `grace` seconds; what is left then goes back and its attempt does not count."""
        over = time.monotonic() + grace + _CUT_OFF + _FLUSH
        self._stopping = True
        await self._departures.stop(within=_CUT_OFF)
        untouched = [token for arrivals in self._arrivals.values() for token in await arrivals.stop(within=_CUT_OFF)]
        untouched += self._handing.withdraw()
        unstarted = [job for line in self._lines.values() for job in line.let_go_of_all()]
        unstarted += self._held_keys.let_go_of_all()
        await self._hand_back(unstarted, untouched)
        await self._finish_running(grace)
        await self._hand_back_interrupted()
        await self._contexts.logbook.flush(within=_FLUSH)
        if not await self.outcomes.flushed(within=max(_FLUSH, over - time.monotonic())):
            _log.error("{} outcomes could not be written; their jobs run again", len(self.outcomes))

    async def _finish_running(self, grace: float) -> None:
        tasks = {job.task for _, job in self._claimed.values() if job.task is not None}
        if not tasks:
            return
        _log.info("finishing {} jobs in hand, for at most {} s", len(tasks), grace)
        late = await at_work_still(tasks, self._cut, within=grace)
        self.cut_off()
        over = time.monotonic() + _CUT_OFF
        async with asyncio.TaskGroup() as returning:
            while late and time.monotonic() < over:  # what obeys goes back without waiting for what does not
                _, late = await asyncio.wait(late, timeout=_DEADLINES_EVERY)
                returning.create_task(self._hand_back_interrupted())
            for line, job in list(self._claimed.values()):
                if job.task in late and not job.given_up:
                    self._give_up(line, job)

    async def _hand_back_interrupted(self) -> None:
        jobs, self._interrupted = self._interrupted, []
        await self._hand_back(jobs)

    def cut_off(self) -> None:
        """Cancel what is at work still; whoever waits for its end no longer does for long."""
        self._cut.set()
        for _, job in list(self._claimed.values()):
            if job.task is not None and not job.task.done():
                self._interrupt(job, "stopped")

    def _has(self, job: ClaimedJob) -> bool:
        entry = self._claimed.get(job.id)
        return entry is not None and entry[1] is job

    def _jobs_in_hand(self) -> list[ClaimedJob]:
        return [job for _, job in list(self._claimed.values())]

    def _begin(self, line: Line, jobs: Sequence[ClaimedJob], *, first: bool = False) -> None:
        longest = self._options.queues[line.queue].timeout or MAX_TIMEOUT
        for job in jobs:
            job.timeout = min(job.timeout, longest)
            job.at_once = first
            if (before := self._claimed.get(job.id)) is not None:  # it lost its lease, and nobody has noticed yet
                self._interrupt(before[1], "lost")
                self._forget(job.id, before[1].token)
            self._claimed[job.id] = (line, job)
            self._at_work.set()
            self._holdings.taken(job.token, 1)
            if not self._held_keys.keeps(line, job):
                (line.ready.appendleft if first else line.ready.append)(job)
        line.sharing.took(jobs, time.monotonic())
        self._start_ready(line)

    def _start_ready(self, line: Line) -> None:
        while not self._stopping and len(self.outcomes) < _OUTCOMES_AHEAD:
            job = line.begins(time.monotonic())
            if job is None:
                return
            if job.stop_reason == "cancelled" or job.cancel_requested:  # before it was taken, or while it waited
                ended = cancelled(job)
                self._observer.ended(line.queue, job, ended, 0.0)
                self.outcomes.add(ended)
            elif job.stop_reason is not None:  # its lease was lost while it waited
                self._forget(job.id, job.token)
            else:
                job.task = self._loop.create_task(self._run(line, job))

    async def _run(self, line: Line, job: ClaimedJob) -> None:
        began = time.perf_counter()
        job.begun = True
        ended: Ended | None
        try:
            ended = await self._attempts.make(line, job)
        except asyncio.CancelledError:
            ended = None if job.given_up else self._cut_short(job)
        except Exception as error:  # noqa: BLE001 - nothing that a row holds may keep its place for ever
            ended = for_good(job, "not_runnable", error)
        if not job.given_up:
            self._ended(line, job, ended, time.perf_counter() - began)

    def _ended(self, line: Line, job: ClaimedJob, ended: Ended | None, seconds: float) -> None:
        job.context = None  # it leads back to the job: a circle that the collector would have to find, for each job
        line.finished(job, seconds)
        if not self._has(job):  # it was lost, and may be in hand again, as another
            ended = None
        if ended is not None:
            self._held_keys.hold(job, ended)
        self._start_ready(line)
        if ended is not None:
            self._observer.ended(line.queue, job, ended, seconds)
            self.outcomes.add(ended)
            if line.left_its_place(job, time.monotonic()):
                self._freed(line.queue)

    def _give_up(self, line: Line, job: ClaimedJob) -> None:
        """Its handler swallows its cancellation: nobody waits for it any longer, though it may go on for ever."""
        _log.error("job {} ({}) goes on though it was cancelled: it is given up", job.id, job.type)
        job.given_up = True
        if job.task is not None:
            self._count_given_up(line, 1)
            job.task.add_done_callback(lambda _: self._count_given_up(line, -1))
        self._ended(line, job, self._cut_short(job), job.timeout)

    def _count_given_up(self, line: Line, more: int) -> None:
        was_shut = line.shut
        line.count_given_up(more)
        self._observer.call(self._observer.observer.given_up, line.queue, line.given_up)
        if line.shut and not was_shut:
            _log.error("nothing more of {} is taken here: {}", line.queue, line.shut)
        elif was_shut and not line.shut:
            _log.info("{} is taken from again: handlers that were given up have ended", line.queue)
        if more < 0:
            self._start_ready(line)
            self._freed(line.queue)

    async def _watch_deadlines(self) -> None:
        """One look at all jobs twenty times a second costs less than a timer for each."""
        while True:
            if not self._claimed:
                self._at_work.clear()
                await self._at_work.wait()
            await asyncio.sleep(_DEADLINES_EVERY)
            now = time.monotonic()
            for line, job in list(self._claimed.values()):
                if job.task is None:
                    continue
                if job.context is not None and job.deadline:
                    line.look(job, now - (job.deadline - job.timeout))
                if job.stop_reason is None:
                    if job.deadline and now > job.deadline:
                        self._interrupt(job, "timed_out")
                elif now > job.interrupted_at + _STUBBORN and not (job.given_up or job.task.done()):
                    self._give_up(line, job)

    def _cut_short(self, job: ClaimedJob) -> Ended | None:
        """The handler was cancelled: by request, out of time, its lease lost, or because the worker stops."""
        if job.stop_reason == "timed_out":
            message = f"the attempt took longer than {job.timeout:g} s"
            return failed(job, self._jobs.named(job.type), "timeout", message, outcome="timed_out")
        if job.stop_reason == "cancelled":
            return cancelled(job)
        if job.stop_reason is None:
            return failed(job, None, "cancelled_itself", "the handler raised CancelledError by itself")
        if job.stop_reason == "stopped":
            self._interrupted.append(job)
        else:
            self._forget(job.id, job.token)
        return None

    def _interrupt(self, job: ClaimedJob, reason: str) -> None:
        """Once: what came first says how it ends, and its handler may be putting things in order because of that."""
        if job.stop_reason is not None:
            return
        job.stop_reason = reason
        job.interrupted_at = time.monotonic()
        if job.context is not None and reason == "cancelled":
            job.context.cancel_requested = True
        if job.task is not None and job.begun:  # one that is cancelled before its first step takes none at all
            job.task.cancel()

    def _settled(self, batch: list[Ended]) -> None:
        if self._jobs.limited:
            held = [entry for ended in batch if (entry := self._claimed.get(ended.job_id)) is not None]
            for queue in {line.queue for line, job in held if job.type in self._jobs.limited}:
                self._let_go(queue)
        for ended in batch:
            self._forget(ended.job_id, ended.token)
        self._held_keys.written(batch)
        self._start_what_waits()

    def _start_what_waits(self) -> None:
        """There is room for outcomes again, whoever's line it was that had to stop for them."""
        for line in self._lines.values():
            if line.waiting:
                self._start_ready(line)

    def _locked(self, batch: list[Ended]) -> None:
        for ended in batch:
            entry = self._claimed.get(ended.job_id)
            if entry is not None and entry[1].token == ended.token and entry[0].locked_out(entry[1], time.monotonic()):
                self._freed(entry[0].queue)
        self._start_what_waits()

    def _forget(self, job_id: UUID, token: int) -> None:
        if (entry := self._claimed.get(job_id)) is not None and entry[1].token == token:
            del self._claimed[job_id]
            self._holdings.gone([token])
            if (has_place := entry[0].parted_with(entry[1], time.monotonic())) or entry[1].over:
                self._freed(entry[0].queue, has_place=has_place)

    def _forget_all(self, jobs: Sequence[ClaimedJob]) -> None:
        for job in jobs:
            self._forget(job.id, job.token)

    def cancel_requested(self, job_id: UUID) -> None:
        """Somebody says that this job shall be cancelled: it is interrupted if it runs here and its row says so."""
        if job_id in self._claimed:
            self._cancelling.named(job_id)

    def _cancel(self, job_id: UUID) -> None:
        if (entry := self._claimed.get(job_id)) is not None:
            self._interrupt(entry[1], "cancelled")

    def _renewed(self, jobs: list[ClaimedJob], held: set[int], unwanted: set[UUID]) -> None:
        for job in jobs:
            if not self._has(job) or job.stop_reason is not None:
                continue
            if job.token not in held:
                if job.task is None or not job.task.done():
                    _log.warning("job {} lost its lease and is stopped here", job.type)
                    self._interrupt(job, "lost")
            elif job.id in unwanted:
                self._interrupt(job, "cancelled")

    async def _hand_back(self, jobs: Sequence[ClaimedJob], untouched: Sequence[int] = ()) -> None:
        if jobs:
            _log.info("handing {} jobs back", len(jobs))
        try:
            await self._handing.give_back(jobs, untouched)
        except Exception as error:  # noqa: BLE001 - their leases run out, and the sweeper does the same
            self._giving_back.met(error)
