"""Dispatch: due jobs are taken for this process, as many as it has room for."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol
from uuid import UUID

from psycopg.errors import LockNotAvailable

from singr_db import PsycopgPool
from singr_db.chores import Trouble
from singr_db.ending import ALONE, SUSPECT
from singr_db.limits import RateLimiter
from singr_jobs.declare._types import Queue, Rate
from singr_jobs.taking import _sql
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import Claimant, Shares, Taken, take, take_apart
from singr_jobs.taking._held_gates import HeldGates
from singr_jobs.taking._later import Later
from singr_jobs.taking._options import WorkerOptions
from singr_jobs.taking._rates import Rates
from singr_jobs.taking._rules import OwnRules, Rules, read_rules
from singr_observability import get_logger

ORGANIZATIONS_A_ROUND = 200
# Jobs of one ticket: what is lost with a worker is lost by the ticket.
TICKET_SIZE = 512
# Seconds that a stop waits for a database that does not answer.
_GIVING_BACK = 1.0
# Seconds that a round may wait for one queue while others have work.
_A_MOMENT = 0.01
# Seconds for which a queue is taken from around what others had locked.
_GO_AROUND = 30.0
_FIRST = UUID(int=0)

_log = get_logger("jobs.dispatcher")


class Taker(Protocol):
    """What the dispatcher needs of this process's runner."""

    def target(self, queue: Queue) -> int:
        """How many jobs of the queue the process would like to have in hand."""
        ...

    def room(self, queue: Queue) -> int:
        """How many more of them than it has."""
        ...

    def places(self, queue: Queue) -> int:
        """How many jobs of the queue would begin at once."""
        ...

    def places_for_anyone(self, queue: Queue) -> int:
        """How many would, whoever's they are."""
        ...

    def holds(self, job_id: UUID) -> bool:
        """Whether it has this job in hand."""
        ...

    def claimant(self) -> Claimant:
        """Who takes the jobs."""
        ...

    def taking(self, tokens: Sequence[int]) -> AbstractContextManager[None]:
        """Keep the leases of these tickets while they are on their way."""
        ...

    def shares(self, queue: Queue, own: Mapping[UUID, OwnRules], *, at_once: bool = False) -> Shares | None:
        """How many more jobs of each organization may come into hand, or begin `at_once`, by what is set for some."""
        ...

    def take(self, queue: Queue, jobs: Sequence[ClaimedJob], *, first: bool = False) -> None:
        """Run these jobs, which lie on tickets of this process; `first` before others that wait here."""
        ...


def new_token() -> int:
    """A ticket's token: 63 random bits, as PostgreSQL's bigint holds them."""
    return secrets.randbits(63)


class Dispatcher:
    """Takes due jobs: by priority, shared fairly between organizations, no more than there is room for.

    Any number of processes may dispatch the same queues. It wakes on `wake` (new work, freed room), when the next
    delayed job comes due, and else every `poll` seconds.

    Args:
        pool: connections with platform rights.
        taker: this process's runner.
        options: its queues, with their rates.
        limiter: counts what rates allow, over all processes.
        due: told the queues whose delayed jobs have become due; others may have room for them.
    """

    def __init__(
        self,
        pool: PsycopgPool,
        taker: Taker,
        options: WorkerOptions,
        limiter: RateLimiter,
        *,
        due: Callable[[Iterable[str]], None],
    ) -> None:
        self._pool = pool
        self._taker = taker
        self._options = options
        self._rates = Rates(limiter)
        self._rules = Rules()
        self._due: set[Queue] = set(options.queues)
        self._wake = asyncio.Event()
        self._after: dict[Queue, UUID] = dict.fromkeys(options.queues, _FIRST)
        self._full: set[Queue] = set()
        self._gates = HeldGates(pool)
        self._locked = Trouble("taking from queues for which something is set", module="jobs.dispatcher")
        self._look_again_at = 0.0
        self._later = Later()
        self._around_until: dict[Queue, float] = {}
        self._unheard: set[int] = set()
        self._suspected: dict[Queue, bool] = {}  # and whether another look at once may find one
        self._others_next: set[Queue] = set()
        self._alone_in: list[Queue] = []
        self._alone: UUID | None = None
        self._apart_after: dict[tuple[Queue, int], UUID] = {}
        self._tell_due = due

    def wake(self, queues: frozenset[Queue] | set[Queue]) -> None:
        """These queues have new work."""
        due = queues & self._options.queues.keys()
        if due:
            self._due |= due
            self._wake.set()

    def freed(self, queue: Queue, *, has_place: bool = True) -> None:
        """This process has room again; matters only where room was what something waited for.

        Without `has_place` only the outcome was written of a job whose end was told before: limits have room again.
        """
        waits = queue in self._full and (has_place or self._rules.has(queue))
        if waits or queue in self._suspected or self._alone_in:
            self.wake({queue})

    async def run(self) -> None:
        """Dispatch until cancelled; whatever strikes it, it tries again a poll later."""
        trouble = Trouble("dispatch", module="jobs.dispatcher")
        while True:
            try:
                more = await self._round()
                trouble.over()
            except Exception as error:  # noqa: BLE001 - see Trouble
                trouble.met(error)
                more = set()
                await asyncio.sleep(self._options.poll)
                self._look_again_at = 0.0
            self._due |= more
            if not more:
                await self._rest()

    async def give_back(self) -> None:
        """Let others have at once what a statement took whose answer was not heard; call it when `run` has ended."""
        try:
            async with asyncio.timeout(_GIVING_BACK):
                await self._give_back_unheard()
        except Exception as error:  # noqa: BLE001 - their leases run out, and the sweeper does the same
            _log.warning("what was taken waits for the sweeper: {}", type(error).__name__)

    async def _give_back_unheard(self) -> None:
        if self._unheard:
            tokens = list(self._unheard)
            async with self._pool.connection() as connection:
                await connection.execute(_sql.GIVE_BACK_TICKETS, {"tokens": tokens})
            self._unheard.difference_update(tokens)

    async def _rest(self) -> None:
        """Until somebody wakes us, or it is time to look."""
        loop = asyncio.get_running_loop()
        remaining = self._look_again_at - loop.time()
        if remaining > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(remaining):
                    await self._wake.wait()
        self._wake.clear()

    async def _round(self) -> set[Queue]:
        """One pass over the queues that may have work; answers those that are worth another pass at once."""
        await self._give_back_unheard()
        if asyncio.get_running_loop().time() >= self._look_again_at:
            await self._let_become_due()
        with self._past_the_locked():
            await self._take_one_alone()
        queues = [queue for queue in self._options.queues if queue in self._due]
        self._due.clear()
        more: set[Queue] = set()
        for queue in queues:
            with self._past_the_locked():
                if self._may_start(queue) and await self._serve(queue):
                    more.add(queue)
        return more

    async def _serve(self, queue: Queue) -> bool:
        """Take from one queue what there is room for; answers whether another pass may find more."""
        suspected = queue in self._suspected
        if suspected and not await self._take_suspects(queue):
            return False
        target, room = self._taker.target(queue), self._taker.room(queue)
        busy, concurrency = target - room, self._options.queues[queue].concurrency
        # What was lost with a worker begins at once or not at all: nothing else is taken ahead of it.
        room = self._taker.places(queue) if suspected else room
        # Where jobs are quick, a few free places are not worth a statement: wait until a quarter is free.
        if room <= 0 or (target > concurrency < busy and room < target // 4):
            self._full.add(queue)
            return False
        self._full.discard(queue)
        found_all = await self._dispatch(queue, min(room, TICKET_SIZE))
        return found_all or (self._suspected.get(queue, False) and self._taker.places(queue) > 0)

    @contextlib.contextmanager
    def _past_the_locked(self) -> Iterator[None]:
        """A queue whose settings cannot be read, since somebody has their table for itself, holds up no other."""
        try:
            yield
        except LockNotAvailable as error:
            self._locked.met(error)

    async def _let_become_due(self) -> None:
        """Move delayed jobs whose time has come to where they are taken from; of many a part, so that others go on."""
        seen = await self._later.move(self._pool, self._options.queues)
        await self._learn_rules(seen.ruled)
        self._suspected = dict.fromkeys(self._options.queues.keys() & set(seen.suspected), True)
        self._alone_in = [queue for queue in self._options.queues if queue in seen.alone]
        self._due |= self._options.queues.keys() & {*seen.moved, *seen.waiting, *seen.suspected}
        self._tell_due(seen.moved)
        rest = self._options.poll if seen.soon is None else min(max(seen.soon, 0.0), self._options.poll)
        now = asyncio.get_running_loop().time()
        self._look_again_at = min(now + (0.0 if self._later.is_many else rest), self._rates.next_at())

    async def _learn_rules(self, ruled: list[str]) -> None:
        """Ask what is set for these queues; while somebody has the table for itself, what is known holds on."""
        try:
            if self._rules.learn(await read_rules(self._pool, ruled)):
                self._rates.forget()
        except LockNotAvailable as error:
            self._locked.met(error)
            for queue in self._options.queues:
                if queue in ruled:
                    self._rules.heard(queue, ruled=True)
        else:
            self._locked.over()

    async def _take_suspects(self, queue: Queue) -> bool:
        """Take those that can begin now, by turns with what else waits; answers whether others may be taken, too.

        A turn is over once somebody could have been taken in it: who has no place, or is locked out, has had none.
        Those, too, have shares; who has no more of them waits until something ends.
        """
        places = self._taker.places(queue)
        if places <= 0:
            return True
        if queue in self._others_next:
            self._others_next.discard(queue)
            self._suspected[queue] = True
            return True
        self._others_next.add(queue)
        room = self._taker.places_for_anyone(queue) or places  # those that are kept, where the quick alone have shares
        shares = self._shares(queue, at_once=True)
        # With a rate, or by rules, one at a time: whoever is given back waits as others do.
        room = room if self._rate(queue) is None and not self._rules.has(queue) else 1
        taken = await self._take_apart(queue, SUSPECT, room, shares)
        self._suspected[queue] = taken >= room
        if taken < room and shares is None:
            del self._suspected[queue]
        return taken < places

    async def _take_one_alone(self) -> None:
        """Of the jobs that were lost twice, and may be what kills their process, have one in hand at a time."""
        if self._alone is not None and self._taker.holds(self._alone):
            return
        for queue in [one for one in self._alone_in if self._may_start(one) and self._taker.target(one) > 0]:
            self._alone_in.remove(queue)
            if await self._take_apart(queue, ALONE, 1):
                self._alone_in.append(queue)  # the others come first
                return

    async def _take_apart(self, queue: Queue, priority: int, room: int, shares: Shares | None = None) -> int:
        token, ruled = new_token(), self._rules.has(queue)
        after = self._apart_after.get((queue, priority), _FIRST)
        taking = partial(take_apart, priority=priority, room=room, after=after, ruled=ruled, shares=shares)
        self._unheard.add(token)
        with self._taker.taking([token]):
            taken = await taking(self._pool, queue, self._taker.claimant(), token=token)
        if taken:  # also where a rate gives them back: it is the others' turn
            self._apart_after[queue, priority] = taken[-1].organization_id
        jobs = await self._within_rates(queue, taken)
        if jobs:
            self._taker.take(queue, jobs, first=True)
            if priority == ALONE:
                self._alone = jobs[0].id
        self._unheard.discard(token)
        return len(jobs)

    async def _dispatch(self, queue: Queue, room: int) -> bool:
        """Take up to `room` due jobs; answers whether another pass may find more."""
        after, rate = self._after[queue], self._rate(queue)
        room = room if rate is None else min(room, rate.count)
        token, ruled, shares = new_token(), self._rules.has(queue), self._shares(queue)
        # Until its jobs run here: should the answer get lost, or what follows fail, they go back.
        self._unheard.add(token)
        taken = await self._take(queue, token, room, ruled=ruled, shares=shares)
        jobs = await self._within_rates(queue, taken.jobs)
        if jobs:
            self._taker.take(queue, jobs)
        self._unheard.discard(token)
        if taken.ruled is None:
            self._others_next.add(queue)
            self._suspected |= {queue: False} if queue in self._suspected else {}  # theirs is the turn after this one
            return await self._try_again(await self._gates.shut(queue))
        self._gates.open(queue)
        if taken.ruled is not ruled:  # somebody has set the first rule, or taken the last one away
            self._rules.heard(queue, ruled=taken.ruled)
            return True
        if (ruled or shares) and taken.chosen < room:  # who is over a limit, or a share, has room once something ends
            self._full.add(queue)
        # More organizations than one round looks at: the next round goes on after the last one looked at.
        more = taken.last is not None and taken.organizations >= ORGANIZATIONS_A_ROUND
        self._after[queue] = taken.last if more and taken.last is not None else _FIRST
        return taken.chosen >= room or (more and (bool(taken.jobs) or self._after[queue] > after))

    async def _try_again(self, pause: float) -> bool:
        """In so many seconds: at once where they are moments, and else when all queues are looked at."""
        if pause < _A_MOMENT:
            await asyncio.sleep(pause)
            return True
        self._look_again_at = min(self._look_again_at, asyncio.get_running_loop().time() + pause)
        return False

    async def _take(self, queue: Queue, token: int, room: int, *, ruled: bool, shares: Shares | None) -> Taken:
        now = asyncio.get_running_loop().time()
        taking = partial(
            take,
            self._pool,
            queue,
            self._taker.claimant(),
            token=token,
            room=room,
            places=self._taker.places_for_anyone(queue),
            after=self._after[queue],
            organizations=ORGANIZATIONS_A_ROUND,
            ruled=ruled,
            shares=shares,
        )
        with self._taker.taking([token]):
            if now >= self._around_until.get(queue, 0.0):
                try:
                    return await taking()
                except LockNotAvailable:
                    self._around_until[queue] = now + _GO_AROUND
            return await taking(past=True)

    def _shares(self, queue: Queue, *, at_once: bool = False) -> Shares | None:
        """What organizations may have of a take at the most, beside the limits that operators have set."""
        own, rates = self._rules.own(queue), self._rules.rates_each(queue)
        shares = self._taker.shares(queue, own, at_once=at_once)
        if not rates:
            return shares
        each, others = shares or Shares()
        bounds = {organization: rate.count for organization, rate in rates.items()} | self._rates.shut(queue)
        for organization, bound in bounds.items():
            share = each.get(organization, others)
            each = {**each, organization: bound if share is None else min(bound, share)}
        return Shares(each, others)

    def _rate(self, queue: Queue) -> Rate | None:
        return self._rules.rate(queue, self._options.queues[queue].rate)

    async def _within_rates(self, queue: Queue, jobs: list[ClaimedJob]) -> list[ClaimedJob]:
        """The part of the jobs that may start now; the others go back to wait."""
        rate, each = self._rate(queue), self._rules.rates_each(queue)
        if not jobs or (rate is None and not each):
            return jobs
        admitted = await self._rates.admitted(queue, jobs, rate, each)
        self._look_again_at = min(self._look_again_at, self._rates.next_at())
        if len(admitted) < len(jobs):
            token, ours = jobs[0].token, {job.id for job in admitted}
            values = {
                "ids": _sql.uuid_array([job.id for job in jobs if job.id not in ours]),
                "tokens": [token],
                "spent": [] if admitted else [token],
            }
            async with self._pool.connection() as connection:
                await connection.execute(_sql.GIVE_BACK, values)
        return admitted

    def _may_start(self, queue: Queue) -> bool:
        return not self._rules.is_paused(queue) and self._rates.may_start(queue)
