"""One queue's part of a runner: what it has in hand, and how much it wants."""

import itertools
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from singr_jobs.declare._types import Queue
from singr_jobs.running._sharing import QUICK, Sharing
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import Shares
from singr_jobs.taking._rules import OwnRules
from singr_jobs.taking._tickets import Ticket
from singr_observability import get_logger

# How many seconds of work a process keeps at hand where jobs are quick, and how many jobs at the most.
AHEAD_SECONDS = 0.05
AHEAD_JOBS = 2048
# How long jobs may wait here behind others before others are offered them: far longer than what is kept at hand takes.
PATIENCE = 1.0
# How many outcomes for each place may wait for locks of others and keep no place: as much as memory has to spare.
LOCKED_FOR_EACH = 32
# Of how many handlers' times the mean is, roughly, and the shortest time that counts.
_MEMORY = 16
_SHORTEST = 1e-5
_NOTHING_SET: Mapping[UUID, OwnRules] = {}

_log = get_logger("jobs.line")


@dataclass(slots=True)
class Line:
    """What one queue has in this process: tickets that came from others, jobs that wait here, and handlers that run.

    Of what is `in_hand` those are `over` whose handlers have ended and whose places others may have; a database that is
    away lets no more of them gather than there are places. Those whose rows somebody has locked count apart: nobody
    waits for another's open transaction. `aside` are those that keep from a place whoever is quick.
    Handlers that were `given_up`, and go on, have no place; nor have they an end, perhaps, so that they are bounded.
    """

    queue: Queue
    concurrency: int
    tickets: deque[Ticket] = field(default_factory=deque)
    ready: deque[ClaimedJob] = field(default_factory=deque)
    aside: dict[UUID, deque[ClaimedJob]] = field(default_factory=dict)
    running: int = 0
    in_hand: int = 0
    over: int = 0
    locked: int = 0
    given_up: int = 0
    limit: int = 0
    moved_at: float = 0.0
    sharing: Sharing = field(default_factory=Sharing)
    _seconds: float = 0.0
    _told: bool = False

    def __post_init__(self) -> None:
        self.count_given_up(0)

    def count_given_up(self, more: int) -> None:
        """So many more were given up, or fewer: with those that run they are twice as many as places at the most."""
        self.given_up += more
        self.limit = max(0, min(self.concurrency, 2 * self.concurrency - self.given_up))

    @property
    def shut(self) -> str:
        """Why nothing more is taken, in words; empty where something may be."""
        return "" if self.limit else f"{self.given_up} handlers go on though they were given up, until some end"

    @property
    def target(self) -> int:
        """How many jobs to have in hand: as many as run at once, more where they end within moments."""
        if not self._seconds:
            return self.limit
        ahead = int(self.limit * AHEAD_SECONDS / self._seconds)
        return max(self.limit, min(AHEAD_JOBS, ahead))

    @property
    def busy(self) -> int:
        """How many of those in hand have a place or want one: not so where only the outcome has yet to be written."""
        return self.in_hand - self.locked - min(self.over, self.concurrency)

    @property
    def room(self) -> int:
        """How many more jobs it would like to have in hand."""
        return self.target - self.busy

    @property
    def waiting(self) -> int:
        """How many jobs here have not begun."""
        return len(self.ready) + sum(len(jobs) for jobs in self.aside.values())

    @property
    def room_for_tickets(self) -> int:
        """How many jobs of others' tickets it would begin, or have at hand."""
        return self.target - self.running - self.waiting

    @property
    def places(self) -> int:
        """How many more jobs would begin at once, if none is put aside."""
        return max(0, self.limit - self.running - self.waiting)

    @property
    def places_for_anyone(self) -> int:
        """How many more jobs would begin at once, whoever's they are."""
        if not self._is_quick and not self.sharing.knows_quick:
            return self.places
        return min(self.places, self.sharing.left_to_the_slow(self.limit))

    @property
    def _is_quick(self) -> bool:
        """Whether what is ahead of others is over in moments."""
        return 0 < self._seconds < QUICK

    def shares(
        self, now: float, own: Mapping[UUID, OwnRules] = _NOTHING_SET, *, at_once: bool = False
    ) -> Shares | None:
        """How many more jobs of each organization may come into hand; None: all that do. `now` is monotonic.

        What begins `at_once` may not come where all places that are free are kept for the quick, unless it is theirs.
        """
        among = self.sharing.shares_of_the_slow if self._is_quick else self.sharing.shares
        shares = self.sharing.left_to_the_quick(self.limit, now, among(self.limit, now, own))
        return self.sharing.of_the_quick(shares) if at_once and not self.places_for_anyone else shares

    def fitting(self, jobs: Sequence[ClaimedJob], now: float) -> tuple[list[ClaimedJob], list[ClaimedJob]]:
        """Those that there is room for, within the shares of their organizations, and the others."""
        room, shares = self.room_for_tickets, self.shares(now) or Shares()
        fit: list[ClaimedJob] = []
        others: list[ClaimedJob] = []
        taken: Counter[UUID] = Counter()
        for job in jobs:
            most = shares.each.get(job.organization_id, shares.others)
            if len(fit) < room and (most is None or taken[job.organization_id] < most):
                taken[job.organization_id] += 1
                fit.append(job)
            else:
                others.append(job)
        return fit, others

    def begins(self, now: float) -> ClaimedJob | None:
        """The job that begins now, where one has a place, or that shall not run at all."""
        if self.running >= self.limit:
            return None
        job = self._next()
        if job is not None and job.stop_reason is None and not job.cancel_requested:
            self.running += 1
            self.sharing.began(job)
            self.moved_at = now
        return job

    def _next(self) -> ClaimedJob | None:
        if self.aside:
            for whose, jobs in self.aside.items():
                if self._may_begin(jobs[0]):
                    job = jobs.popleft()
                    if not jobs:
                        del self.aside[whose]
                    return job
        while self.ready:
            job = self.ready.popleft()
            if job.share.is_quick or self._may_begin(job):
                return job
            self.aside.setdefault(job.organization_id, deque()).append(job)
        return None

    def _may_begin(self, job: ClaimedJob) -> bool:
        return (
            self.sharing.may_begin(job, self.limit, is_quick=self._is_quick)
            or job.at_once
            or job.cancel_requested
            or job.stop_reason is not None
        )

    def stuck(self, now: float) -> bool:
        """Whether jobs wait behind others that turned out to take their time; `now` on the monotonic clock."""
        waiting = self.waiting
        if not waiting or self.running < self.limit:
            return False
        return now - self.moved_at > PATIENCE or waiting * self._seconds > PATIENCE * self.limit

    def let_go(self, now: float) -> list[ClaimedJob]:
        """What others may have, since it cannot begin here soon: it no longer waits here. `now` is monotonic.

        Where all that waits is stuck it is forgotten how quick jobs were: those of now are not.
        """
        parted: list[ClaimedJob] = []
        if self.stuck(now):
            self._seconds = 0.0
            parted += self.ready
            self.ready.clear()
        goes = not self._seconds or (bool(self.aside) and self.sharing.full_of_slow(self.limit))
        for whose in [whose for whose in self.aside if goes or self.sharing.is_slow(whose)]:
            parted += self.aside.pop(whose)
        self.ready.extendleft(job for job in reversed(parted) if job.stop_reason is not None)
        return [job for job in parted if job.stop_reason is None]

    def part_with(self, which: Callable[[ClaimedJob], bool]) -> list[ClaimedJob]:
        """Those of what has not begun that are meant, and that nobody wants to end: they no longer wait here."""
        parted = [
            job
            for job in itertools.chain(self.ready, *self.aside.values())
            if which(job) and job.stop_reason is None and not job.cancel_requested
        ]
        if parted:
            ids = {job.id for job in parted}
            self.ready = deque(job for job in self.ready if job.id not in ids)
            aside = {whose: deque(job for job in jobs if job.id not in ids) for whose, jobs in self.aside.items()}
            self.aside = {whose: jobs for whose, jobs in aside.items() if jobs}
        return parted

    def let_go_of_all(self) -> list[ClaimedJob]:
        """All that has not begun: it no longer waits here."""
        jobs = [*self.ready, *itertools.chain.from_iterable(self.aside.values())]
        self.ready.clear()
        self.aside.clear()
        return jobs

    def look(self, job: ClaimedJob, seconds: float) -> None:
        """A handler has run for so long, and goes on."""
        self.sharing.look(job, seconds)

    def finished(self, job: ClaimedJob, seconds: float) -> None:
        """One handler ended, `seconds` after it began."""
        self.running -= 1
        seconds = max(seconds, _SHORTEST)
        self._seconds += (seconds - self._seconds) / _MEMORY if self._seconds else seconds
        self.sharing.ended(job, seconds)

    def left_its_place(self, job: ClaimedJob, now: float) -> bool:
        """Only its outcome is still to be written; answers whether there is room for another before that is done.

        Where jobs are quick there is not: what is kept at hand of them reckons with what is being written.
        `now` is monotonic.
        """
        if self.target > self.limit:
            return False
        job.over = True
        self.over += 1
        self.sharing.parted_with(job, now)
        return self.over <= self.concurrency

    def locked_out(self, job: ClaimedJob, now: float) -> bool:
        """Its outcome waits for a lock of somebody else's; answers whether there is room for another because of that.

        Until it is written it keeps no place, however often it is tried; those beyond a bound do, as in an outage.
        `now` is monotonic.
        """
        if job.locked:
            return False
        if self.locked >= LOCKED_FOR_EACH * self.concurrency:
            if not self._told:
                self._told = True
                _log.warning(
                    "{} outcomes of {} wait for locks of others: more of them keep places", self.locked, self.queue
                )
            return False
        had_place = not job.over or self.over > self.concurrency
        if job.over:
            self.over -= 1
        else:
            job.over = True
            self.sharing.parted_with(job, now)
        job.locked = True
        self.locked += 1
        return had_place and self.room > 0

    def parted_with(self, job: ClaimedJob, now: float) -> bool:
        """It is out of hand; answers whether there is a place for another because of that. `now` is monotonic."""
        self.in_hand -= 1
        if job.locked:
            self.locked -= 1
            self._told = self._told and self.locked > 0
            return False
        if job.over:
            self.over -= 1
            if self.over < self.concurrency:
                return False
        else:
            self.sharing.parted_with(job, now)
        return self.busy <= max(self.limit - 1, self.target // 2)

    def keep_place(self, job: ClaimedJob, now: float) -> None:
        """Its attempt is over and its function goes on: it has a place, as one of its organization, until it ends."""
        self.running += 1
        self.in_hand += 1
        self.sharing.took((job,), now)
        self.sharing.began(job)

    def free_place(self, job: ClaimedJob, now: float) -> None:
        """Such a function has ended."""
        self.running -= 1
        self.in_hand -= 1
        self.sharing.freed(job)
        self.sharing.parted_with(job, now)
