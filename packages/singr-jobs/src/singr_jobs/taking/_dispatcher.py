"""Dispatch: due jobs are taken for this process, as many as it has room for."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

import redis

from singr_db import PsycopgPool
from singr_db.chores import Trouble
from singr_db.limits import RateLimiter
from singr_jobs.declare._types import Queue, Rate
from singr_jobs.taking import _sql
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import Claimant, Taken, take, take_alone
from singr_jobs.taking._options import WorkerOptions
from singr_observability import get_logger

ORGANIZATIONS_A_ROUND = 200
# Jobs of one ticket: what is lost with a worker is lost by the ticket.
TICKET_SIZE = 512
_DUE_AT_ONCE = 1000
# Seconds that a stop waits for a database that does not answer.
_GIVING_BACK = 1.0
# Seconds before a queue is looked at again that somebody else was taking from.
_BUSY = 0.003
_FIRST = UUID(int=0)

_log = get_logger("jobs.dispatcher")


class Taker(Protocol):
    """What the dispatcher needs of this process's runner."""

    def target(self, queue: Queue) -> int:
        """How many jobs of the queue the process would like to have in hand."""
        ...

    def in_hand(self, queue: Queue) -> int:
        """How many it has in hand."""
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

    def take(self, queue: Queue, jobs: Sequence[ClaimedJob]) -> None:
        """Run these jobs, which lie on tickets of this process."""
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
        self._limiter = limiter
        self._due: set[Queue] = set(options.queues)
        self._wake = asyncio.Event()
        self._after: dict[Queue, UUID] = dict.fromkeys(options.queues, _FIRST)
        self._not_before: dict[Queue, float] = {}
        self._full: set[Queue] = set()
        self._look_again_at = 0.0
        self._unheard: set[int] = set()
        self._alone: UUID | None = None
        self._tell_due = due

    def wake(self, queues: frozenset[Queue] | set[Queue]) -> None:
        """These queues have new work."""
        due = queues & self._options.queues.keys()
        if due:
            self._due |= due
            self._wake.set()

    def freed(self, queue: Queue) -> None:
        """This process has room again; matters only where room was what dispatch stopped for."""
        if queue in self._full:
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
            try:
                async with asyncio.timeout(remaining):
                    await self._wake.wait()
            except TimeoutError:
                remaining = 0.0
        if remaining <= 0:
            self._due |= self._options.queues.keys()
        self._wake.clear()

    async def _round(self) -> set[Queue]:
        """One pass over the queues that may have work; answers those that are worth another pass at once."""
        await self._give_back_unheard()
        if asyncio.get_running_loop().time() >= self._look_again_at:
            await self._let_become_due()
            await self._take_one_alone()
        queues = [queue for queue in self._options.queues if queue in self._due]
        self._due.clear()
        more: set[Queue] = set()
        for queue in queues:
            target, in_hand = self._taker.target(queue), self._taker.in_hand(queue)
            room = target - in_hand
            concurrency = self._options.queues[queue].concurrency
            # Where jobs are quick, a few free places are not worth a statement: wait until a quarter is free.
            if room <= 0 or (target > concurrency < in_hand and room < target // 4):
                self._full.add(queue)
                continue
            self._full.discard(queue)
            if not self._may_start(queue):
                self._look_again_at = min(self._look_again_at, self._not_before[queue])
            elif await self._dispatch(queue, min(room, TICKET_SIZE)):
                more.add(queue)
        return more

    async def _let_become_due(self) -> None:
        """Move delayed jobs whose time has come to where they are taken from."""
        moved = _DUE_AT_ONCE
        soon: float | None = None
        while moved == _DUE_AT_ONCE:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(_sql.BECOME_DUE, {"limit": _DUE_AT_ONCE}, binary=True)
                [(queues, moved, soon)] = await cursor.fetchall()
            self._due |= self._options.queues.keys() & set(queues)
            self._tell_due(queues)
        rest = self._options.poll if soon is None else min(max(soon, 0.0), self._options.poll)
        self._look_again_at = asyncio.get_running_loop().time() + rest

    async def _take_one_alone(self) -> None:
        """Of the jobs that were lost twice, and may be what kills their process, have one in hand at a time."""
        if self._alone is not None and self._taker.holds(self._alone):
            return
        token, queues = new_token(), [queue.value for queue in self._options.queues]
        self._unheard.add(token)
        with self._taker.taking([token]):
            taken = await take_alone(self._pool, queues, self._taker.claimant(), token=token)
        if taken is not None:
            queue, job = taken
            self._alone = job.id
            self._taker.take(queue, [job])
        self._unheard.discard(token)

    async def _dispatch(self, queue: Queue, room: int) -> bool:
        """Take up to `room` due jobs; answers whether another pass may find more."""
        after = self._after[queue]
        rate = self._options.queues[queue].rate
        room = room if rate is None else min(room, rate.count)
        token = new_token()
        # Until its jobs run here: should the answer get lost, or what follows fail, they go back.
        self._unheard.add(token)
        taken = await self._take(queue, token, room)
        jobs = taken.jobs if rate is None else await self._within_rate(queue, rate, taken.jobs)
        if jobs:
            self._taker.take(queue, jobs)
        self._unheard.discard(token)
        if not taken.free:
            await asyncio.sleep(_BUSY)
            return True
        # More organizations than one round looks at: the next round goes on after the last one looked at.
        self._after[queue] = (taken.last or _FIRST) if taken.organizations >= ORGANIZATIONS_A_ROUND else _FIRST
        moved_on = self._after[queue] != after and (bool(taken.jobs) or self._after[queue] != _FIRST)
        return taken.chosen >= room or moved_on

    async def _take(self, queue: Queue, token: int, room: int) -> Taken:
        with self._taker.taking([token]):
            return await take(
                self._pool,
                queue,
                self._taker.claimant(),
                token=token,
                room=room,
                after=self._after[queue],
                organizations=ORGANIZATIONS_A_ROUND,
            )

    async def _within_rate(self, queue: Queue, rate: Rate, jobs: list[ClaimedJob]) -> list[ClaimedJob]:
        """The part of the jobs that may start now; the others go back to wait."""
        if not jobs:
            return jobs
        now = asyncio.get_running_loop().time()
        try:
            decision = await self._limiter.take(
                f"queue:{queue}", limit=rate.count, window=rate.seconds, up_to=len(jobs)
            )
            granted, pause = decision.granted, float(decision.retry_after)
        except (redis.RedisError, OSError):
            # Without the shared counter this process spreads its jobs evenly: one at a time, never a burst.
            granted, pause = 1, rate.seconds / rate.count
        if pause:
            self._not_before[queue] = now + pause
        if granted < len(jobs):
            token = jobs[0].token
            values = {
                "ids": _sql.uuid_array([job.id for job in jobs[granted:]]),
                "tokens": [token],
                "spent": [] if granted else [token],
            }
            async with self._pool.connection() as connection:
                await connection.execute(_sql.GIVE_BACK, values)
        return jobs[:granted]

    def _may_start(self, queue: Queue) -> bool:
        return asyncio.get_running_loop().time() >= self._not_before.get(queue, 0.0)
