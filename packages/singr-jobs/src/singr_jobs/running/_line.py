"""One queue's part of a runner: what it has in hand, and how much it wants."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from singr_jobs.declare._types import Queue
from singr_jobs.running._sharing import Sharing
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import Shares
from singr_jobs.taking._rules import OwnRules
from singr_jobs.taking._tickets import Ticket

# How many seconds of work a process keeps at hand where jobs are quick, and how many jobs at the most.
AHEAD_SECONDS = 0.05
AHEAD_JOBS = 2048
# How long jobs may wait here behind others before others are offered them: far longer than what is kept at hand takes.
PATIENCE = 1.0
# Jobs of fewer seconds are no cause for keeping places back from anybody: what is ahead of others is over in moments.
_QUICK = 0.02
# Of how many handlers' times the mean is, roughly, and the shortest time that counts.
_MEMORY = 16
_SHORTEST = 1e-5


@dataclass(slots=True)
class Line:
    """What one queue has in this process: tickets that came from others, jobs that wait here, and handlers that run.

    Of what is `in_hand` those are `over` whose handlers have ended and whose places others may have; a database that is
    away lets no more of them gather than there are places.
    """

    queue: Queue
    concurrency: int
    tickets: deque[Ticket] = field(default_factory=deque)
    ready: deque[ClaimedJob] = field(default_factory=deque)
    running: int = 0
    in_hand: int = 0
    over: int = 0
    moved_at: float = 0.0
    sharing: Sharing = field(default_factory=Sharing)
    _seconds: float = 0.0

    @property
    def target(self) -> int:
        """How many jobs to have in hand: as many as run at once, more where they end within moments."""
        if not self._seconds:
            return self.concurrency
        ahead = int(self.concurrency * AHEAD_SECONDS / self._seconds)
        return max(self.concurrency, min(AHEAD_JOBS, ahead))

    @property
    def busy(self) -> int:
        """How many of those in hand have a place or want one: not so where only the outcome has yet to be written."""
        return self.in_hand - min(self.over, self.concurrency)

    @property
    def room(self) -> int:
        """How many more jobs it would like to have in hand."""
        return self.target - self.busy

    @property
    def may_accept(self) -> bool:
        """Whether tickets of others should be accepted now."""
        return bool(self.tickets) and self.running + len(self.ready) < self.target

    @property
    def places(self) -> int:
        """How many more jobs would begin at once."""
        return max(0, self.concurrency - self.running - len(self.ready))

    @property
    def may_start(self) -> bool:
        """Whether the next job that is ready has a place."""
        return bool(self.ready) and self.running < self.concurrency

    def shares(self, now: float, own: Mapping[UUID, OwnRules]) -> Shares | None:
        """How many more jobs of each organization may come into hand; None: all that do. `now` is monotonic."""
        if 0 < self._seconds < _QUICK:
            return None
        return self.sharing.shares(self.concurrency, now, own)

    def stuck(self, now: float) -> bool:
        """Whether jobs wait behind others that turned out to take their time; `now` on the monotonic clock."""
        return bool(self.ready) and self.running >= self.concurrency and now - self.moved_at > PATIENCE

    def forget_speed(self) -> None:
        """Forget how quick the jobs were: those of now are not."""
        self._seconds = 0.0

    def finished(self, seconds: float) -> None:
        """One handler ended, `seconds` after it began."""
        self.running -= 1
        seconds = max(seconds, _SHORTEST)
        self._seconds += (seconds - self._seconds) / _MEMORY if self._seconds else seconds

    def left_its_place(self, job: ClaimedJob, now: float) -> bool:
        """Only its outcome is still to be written; answers whether there is room for another before that is done.

        Where jobs are quick there is not: what is kept at hand of them reckons with what is being written.
        `now` is monotonic.
        """
        if self.target > self.concurrency:
            return False
        job.over = True
        self.over += 1
        self.sharing.parted_with(job, now)
        return self.over <= self.concurrency

    def parted_with(self, job: ClaimedJob, now: float) -> bool:
        """It is out of hand; answers whether there is a place for another because of that. `now` is monotonic."""
        self.in_hand -= 1
        if job.over:
            self.over -= 1
            if self.over < self.concurrency:
                return False
        else:
            self.sharing.parted_with(job, now)
        return self.busy <= max(self.concurrency - 1, self.target // 2)

    def keep_place(self, job: ClaimedJob, now: float) -> None:
        """Its attempt is over and its function goes on: it has a place, as one of its organization, until it ends."""
        self.running += 1
        self.in_hand += 1
        self.sharing.took((job,), now)

    def free_place(self, job: ClaimedJob, now: float) -> None:
        """Such a function has ended."""
        self.running -= 1
        self.in_hand -= 1
        self.sharing.parted_with(job, now)
