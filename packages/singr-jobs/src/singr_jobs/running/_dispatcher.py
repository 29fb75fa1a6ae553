"""Dispatch: due jobs are leased and sent to workers as tickets."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar
from uuid import UUID

import dramatiq.errors
import redis

from singr_db import PsycopgPool
from singr_db.chores import Trouble
from singr_db.limits import RateLimiter
from singr_db.redis import refusal_of
from singr_jobs.declare._types import Queue, Rate
from singr_jobs.running import _sql
from singr_jobs.running._options import WorkerOptions
from singr_jobs.running._tickets import TICKET_SIZE, Ticket, TicketTransport
from singr_observability import get_logger

ORGANIZATIONS_A_ROUND = 200
# Seconds that a stop waits for a database that does not answer.
_GIVING_BACK = 1.0
# Seconds before a transport that was away is tried again; each try may cost a socket timeout.
TRANSPORT_REST = 5.0
_FIRST = UUID(int=0)
# Of how many rounds a stop gives back what was dispatched and not started; older leases run out by themselves.
_TOKENS_REMEMBERED = 512
TRANSPORT_AWAY = (redis.RedisError, dramatiq.errors.BrokerConnectionError, OSError)

_P = ParamSpec("_P")
_T = TypeVar("_T")

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

    def types(self) -> list[str]:
        """The names of the job types that it can run."""
        ...

    def accept(self, ticket: Ticket) -> None:
        """Take a ticket without the transport."""
        ...


def new_token() -> int:
    """A lease token: 63 random bits, as PostgreSQL's bigint holds them."""
    return secrets.randbits(63)


async def _to_its_end(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call it in a thread, and wait for that when cancelled too: it would connect again to what is closed meanwhile."""
    running = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.gather(running, return_exceptions=True)
        raise


class Dispatcher:
    """Turns due jobs into tickets: by priority, shared fairly between organizations, no more than there is room for.

    Any number of processes may dispatch the same queues. It wakes on `wake` (new work, freed room) and else every
    `poll` seconds; where the transport is away it hands tickets straight to this process's own runner.
    """

    def __init__(
        self,
        pool: PsycopgPool,
        transport: TicketTransport,
        taker: Taker,
        options: WorkerOptions,
        limiter: RateLimiter,
    ) -> None:
        self._pool = pool
        self._transport = transport
        self._taker = taker
        self._options = options
        self._limiter = limiter
        self._due: set[Queue] = set(options.queues)
        self._wake = asyncio.Event()
        self._after: dict[Queue, UUID] = dict.fromkeys(options.queues, _FIRST)
        self._not_before: dict[Queue, float] = {}
        self._full: set[Queue] = set()
        self._polled_at = 0.0
        self._tokens: deque[int] = deque(maxlen=_TOKENS_REMEMBERED)
        self._transport_retry_at = 0.0
        self._transport_away = False

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
                self._polled_at = -self._options.poll
            self._due |= more
            if not more:
                await self._rest()

    async def give_back(self) -> None:
        """Let others have at once what was dispatched here and nobody has started; call it when `run` has ended."""
        if not self._tokens:
            return
        try:
            async with asyncio.timeout(_GIVING_BACK), self._pool.connection() as connection:
                await connection.execute(_sql.GIVE_BACK_UNSTARTED, {"tokens": list(self._tokens)})
        except Exception as error:  # noqa: BLE001 - their leases run out, and the sweeper does the same
            _log.warning("what was dispatched waits for the sweeper: {}", type(error).__name__)

    async def _rest(self) -> None:
        """Until somebody wakes us, or the next poll is due: delayed jobs come due without a word."""
        loop = asyncio.get_running_loop()
        remaining = self._polled_at + self._options.poll - loop.time()
        if remaining > 0:
            try:
                async with asyncio.timeout(remaining):
                    await self._wake.wait()
            except TimeoutError:
                remaining = 0.0
        if remaining <= 0:
            self._due |= self._options.queues.keys()
            self._polled_at = loop.time()
        self._wake.clear()

    async def _round(self) -> set[Queue]:
        """One pass over the queues that may have work; answers those that are worth another pass at once."""
        queues = [queue for queue in self._options.queues if queue in self._due]
        self._due.clear()
        more: set[Queue] = set()
        waiting = await self._waiting(queues)
        for queue in queues:
            target, in_hand, size = self._taker.target(queue), self._taker.in_hand(queue), self._ticket_size(queue)
            room = target - in_hand - waiting.get(queue, 0) * size
            concurrency = self._options.queues[queue].concurrency
            # Where jobs are quick, a few free places are not worth a statement: wait until a quarter is free.
            if room <= 0 or (target > concurrency < in_hand and room < target // 4):
                self._full.add(queue)
                continue
            self._full.discard(queue)
            if self._may_start(queue) and await self._dispatch(queue, room, size):
                more.add(queue)
        return more

    async def _dispatch(self, queue: Queue, room: int, ticket_size: int) -> bool:
        """Send tickets for up to `room` due jobs; answers whether another pass may find more."""
        token, after = new_token(), self._after[queue]
        self._tokens.append(token)
        rate = self._options.queues[queue].rate
        room = room if rate is None else min(room, rate.count)
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                _sql.CLAIM_DUE,
                {
                    "queue": queue.value,
                    "after": after,
                    "organizations": ORGANIZATIONS_A_ROUND,
                    "room": room,
                    "token": token,
                    "lease": self._options.lease,
                    "types": self._taker.types(),
                },
            )
            rows = await cursor.fetchall()
        # More organizations than one round looks at: the next round goes on after the last one looked at.
        organizations, last = rows[0][4:]
        self._after[queue] = last if organizations >= ORGANIZATIONS_A_ROUND else _FIRST
        due = sorted((row for row in rows if row[0] is not None), key=lambda row: (row[1], row[2], row[0]))
        ids: list[UUID] = [row[0] for row in due]
        allowed = ids if rate is None else await self._within_rate(queue, rate, token, ids)
        # Its ticket went to a process that did not know it: it stays here.
        kept = {row[0] for row in due if row[3]}
        for job_id in kept.intersection(allowed):
            self._taker.accept(Ticket(queue, token, (job_id,)))
        sent = [job_id for job_id in allowed if job_id not in kept] if kept else allowed
        await self._send(
            [Ticket(queue, token, tuple(sent[at : at + ticket_size])) for at in range(0, len(sent), ticket_size)]
        )
        moved_on = self._after[queue] != after and (bool(ids) or self._after[queue] != _FIRST)
        return len(ids) >= room or moved_on

    async def _within_rate(self, queue: Queue, rate: Rate, token: int, ids: list[UUID]) -> list[UUID]:
        """The part of the leased jobs that may start now; the others go back to wait."""
        if not ids:
            return ids
        now = asyncio.get_running_loop().time()
        try:
            decision = await self._limiter.take(f"queue:{queue}", limit=rate.count, window=rate.seconds, up_to=len(ids))
            granted, pause = decision.granted, float(decision.retry_after)
        except (redis.RedisError, OSError):
            # Without the shared counter this process spreads its jobs evenly: one at a time, never a burst.
            granted, pause = 1, rate.seconds / rate.count
        if pause:
            self._not_before[queue] = now + pause
        if granted < len(ids):
            async with self._pool.connection() as connection:
                await connection.execute(_sql.GIVE_BACK, {"ids": _sql.uuid_array(ids[granted:]), "tokens": [token]})
        return ids[:granted]

    def _may_start(self, queue: Queue) -> bool:
        return asyncio.get_running_loop().time() >= self._not_before.get(queue, 0.0)

    async def _send(self, tickets: list[Ticket]) -> None:
        if not tickets:
            return
        if not self._transport_resting():
            try:
                await _to_its_end(self._transport.send, tickets)
            except TRANSPORT_AWAY as error:
                # What was sent before the error comes a second time and finds nothing left to claim.
                self._transport_failed(error)
            else:
                if self._transport_away:
                    _log.info("the ticket transport is back")
                self._transport_away = False
                return
        for ticket in tickets:
            self._taker.accept(ticket)

    def _transport_failed(self, error: Exception) -> None:
        if not self._transport_away:
            why = refusal_of(error) or type(error).__name__
            _log.warning("tickets stay in this process while their transport is away: {}", why)
        self._transport_away = True
        self._transport_retry_at = asyncio.get_running_loop().time() + TRANSPORT_REST

    def _transport_resting(self) -> bool:
        return self._transport_away and asyncio.get_running_loop().time() < self._transport_retry_at

    def _ticket_size(self, queue: Queue) -> int:
        # Small tickets where jobs are slow, so that several processes share them; large ones where they are quick.
        return max(1, min(TICKET_SIZE, self._taker.target(queue) // 4))

    async def _waiting(self, queues: list[Queue]) -> dict[Queue, int]:
        if not queues or self._transport_resting():
            return {}
        try:
            return dict(zip(queues, await _to_its_end(self._transport.waiting, queues), strict=True))
        except TRANSPORT_AWAY as error:
            self._transport_failed(error)
            return {}
