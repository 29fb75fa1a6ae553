"""What a process took and cannot begin: handed over to others by tickets, or given back to wait."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import dramatiq.errors
import psycopg
import redis
from psycopg.rows import TupleRow

from singr_db import PsycopgPool
from singr_jobs.declare._types import Queue
from singr_jobs.taking import _sql
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._dispatcher import new_token
from singr_jobs.taking._tickets import Ticket, TicketTransport
from singr_observability import get_logger

# Jobs of one ticket at the most: small, so that several processes share what one has too much of.
_SHARE = 16
# Seconds before a transport that was away is tried again; each try may cost a socket timeout.
TRANSPORT_REST = 5.0
# Seconds that an offer stands: whoever has room is told at once, and takes it in moments.
OFFER_STANDS = 0.25
TRANSPORT_AWAY = (redis.RedisError, dramatiq.errors.BrokerConnectionError, OSError)

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = get_logger("jobs.handing")


class HandOver:
    """Parts with jobs that this process holds: none of them has begun, so no attempt counts.

    Args:
        pool: connections with platform rights.
        transport: carries tickets to other processes; where it is away, jobs wait again for whoever takes them.
        worker: this process, on its tickets.
        lease: seconds that a ticket may travel before its jobs wait again.
        sent: called when tickets of a queue are on their way.
        back: called when jobs of a queue wait again.
    """

    def __init__(
        self,
        pool: PsycopgPool,
        transport: TicketTransport,
        *,
        worker: str,
        lease: float,
        sent: Callable[[Queue], None],
        back: Callable[[Queue], None],
    ) -> None:
        self._pool = pool
        self._transport = transport
        self._worker = worker
        self._lease = lease
        self._sent = sent
        self._back = back
        self._away = False
        self._retry_at = 0.0
        self._offered: deque[tuple[float, Ticket]] = deque()

    @property
    def offers(self) -> bool:
        """Whether something is offered that nobody may have accepted."""
        return bool(self._offered)

    async def offer(self, queue: Queue, jobs: Sequence[ClaimedJob]) -> None:
        """Hand jobs to whoever has room, or give them back; raises where the database does not answer."""
        if not jobs:
            return
        if self._resting():
            await self.let_wait(queue, jobs)
            return
        tickets = [await self._ticket(queue, jobs[start : start + _SHARE]) for start in range(0, len(jobs), _SHARE)]
        try:
            await _to_its_end(self._transport.send, tickets)
        except TRANSPORT_AWAY as error:
            # What was sent before the error names nothing any more when it arrives.
            self._failed(error)
            await self.give_back((), [ticket.token for ticket in tickets])
            self._back(queue)
        else:
            if self._away:
                _log.info("the ticket transport is back")
            self._away = False
            self._offered += [(time.monotonic() + OFFER_STANDS, ticket) for ticket in tickets]
            self._sent(queue)

    async def take_back(self) -> None:
        """Let wait again, in turn with others, what was offered and has been accepted by nobody."""
        now = time.monotonic()
        over = [ticket for until, ticket in self._offered if until <= now]
        for queue in {ticket.queue for ticket in over}:
            if await self.give_back((), [ticket.token for ticket in over if ticket.queue == queue]):
                self._back(queue)
        for _ in range(min(len(over), len(self._offered))):
            self._offered.popleft()

    def withdraw(self) -> list[int]:
        """The tickets of all offers that stand: they do so no more, and are for the caller to give back."""
        tickets = [ticket.token for _, ticket in self._offered]
        self._offered.clear()
        return tickets

    async def let_wait(self, queue: Queue, jobs: Sequence[ClaimedJob], tickets: Sequence[int] = ()) -> None:
        """Give back jobs of one queue, and tell whoever serves it."""
        await self.give_back(jobs, tickets)
        self._back(queue)

    async def let_wait_behind_keys(self, queue: Queue, jobs: Sequence[ClaimedJob]) -> None:
        """Give back jobs of one queue whose keys are held back, and tell whoever lets jobs through."""
        async with self._pool.connection() as connection:
            await connection.execute(_sql.GIVE_BACK_BEHIND_KEYS, _leases(jobs))
        self._back(queue)

    async def give_back(self, jobs: Sequence[ClaimedJob], tickets: Sequence[int] = ()) -> int:
        """Let these jobs wait again, and all that these tickets name and nobody has accepted; answers how many do."""
        count = 0
        if not jobs and not tickets:
            return count
        async with self._pool.connection() as connection:
            if jobs:
                count += await _counted(connection, _sql.GIVE_BACK, _leases(jobs))
            if tickets:
                count += await _counted(connection, _sql.GIVE_BACK_UNACCEPTED, {"tokens": list(tickets)})
        return count

    async def _ticket(self, queue: Queue, jobs: Sequence[ClaimedJob]) -> Ticket:
        token = new_token()
        values = {**_leases(jobs), "token": token, "worker": self._worker, "lease": self._lease}
        async with self._pool.connection() as connection:
            await connection.execute(_sql.HAND_OVER, values)
        return Ticket(queue, token, len(jobs))

    def _failed(self, error: Exception) -> None:
        if not self._away:
            why = self._transport.why(error)
            _log.warning("jobs are not handed over while the ticket transport is away: {}", why)
        self._away = True
        self._retry_at = asyncio.get_running_loop().time() + TRANSPORT_REST

    def _resting(self) -> bool:
        return self._away and asyncio.get_running_loop().time() < self._retry_at


def _leases(jobs: Sequence[ClaimedJob]) -> dict[str, Any]:
    """Jobs with the tickets that they lie on, as parameters. None is torn up: an outcome on its way may need it."""
    return {"ids": _sql.uuid_array([job.id for job in jobs]), "tokens": list({job.token for job in jobs}), "spent": []}


async def _counted(connection: psycopg.AsyncConnection[TupleRow], statement: str, values: dict[str, Any]) -> int:
    [(count,)] = await (await connection.execute(statement, values)).fetchall()
    return int(count)


async def _to_its_end(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call it in a thread, and wait for that when cancelled too: it would connect again to what is closed meanwhile."""
    running = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.gather(running, return_exceptions=True)
        raise
