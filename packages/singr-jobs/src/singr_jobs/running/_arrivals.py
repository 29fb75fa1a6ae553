"""Tickets that other processes handed over, until this one has room to begin their jobs."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence

from singr_db import PsycopgPool
from singr_db.chores import Trouble
from singr_jobs.running._line import Line
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import accept
from singr_jobs.taking._dispatcher import Taker
from singr_jobs.taking._handing import HandOver
from singr_jobs.taking._tickets import Ticket

_AT_ONCE = 8


class Arrivals:
    """Accepts tickets for one line as it has room, and gives back what cannot run here.

    Args:
        pool: connections with platform rights.
        line: whose tickets they are.
        taker: this process's runner.
        handing: takes what is of no type that is known here.
        begin: called with the jobs that are ours now; they count as in hand already.
    """

    def __init__(
        self,
        pool: PsycopgPool,
        line: Line,
        taker: Taker,
        handing: HandOver,
        begin: Callable[[Line, Sequence[ClaimedJob]], None],
    ) -> None:
        self._pool = pool
        self._line = line
        self._taker = taker
        self._handing = handing
        self._begin = begin
        self._arrived = asyncio.Event()
        self._accepting = asyncio.Lock()
        self._over = False

    def add(self, ticket: Ticket) -> None:
        """A ticket came."""
        self._line.tickets.append(ticket)
        self._line.in_hand += ticket.jobs
        self._arrived.set()

    def room(self) -> None:
        """The line may have room for more."""
        if self._line.tickets:
            self._arrived.set()

    async def run(self, pause: float) -> None:
        """Accept until cancelled; whatever strikes it, it tries again after `pause` seconds."""
        trouble = Trouble(f"the accepting of {self._line.queue} jobs", module="jobs.arrivals")
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._line.may_accept and not self._over:
                tickets = [self._line.tickets.popleft() for _ in range(min(len(self._line.tickets), _AT_ONCE))]
                try:
                    async with self._accepting:
                        await self._accept(tickets)
                    trouble.over()
                except Exception as error:  # noqa: BLE001 - see Trouble
                    # Their leases bring the jobs back; meanwhile they count as not ours.
                    self._line.in_hand -= sum(ticket.jobs for ticket in tickets)
                    trouble.met(error)
                    await asyncio.sleep(pause)

    async def stop(self, within: float) -> list[int]:
        """Accept nothing more, and hear of what is on its way; answers the tickets that nothing was begun of."""
        self._over = True
        with contextlib.suppress(TimeoutError):  # a database that is away: the leases of what it gave run out
            async with asyncio.timeout(within), self._accepting:
                pass
        untouched = [ticket.token for ticket in self._line.tickets]
        self._line.tickets.clear()
        return untouched

    async def _accept(self, tickets: Sequence[Ticket]) -> None:
        claimant, tokens = self._taker.claimant(), [ticket.token for ticket in tickets]
        with self._taker.taking(tokens):
            accepted = await accept(self._pool, self._line.queue, tokens, claimant)
            known = _of_types(accepted, claimant.types)
            self._line.in_hand += len(known) - sum(ticket.jobs for ticket in tickets)
            self._begin(self._line, known)
        if len(known) < len(accepted):
            ours = {job.id for job in known}
            await self._handing.give_back([job for job in accepted if job.id not in ours])


def _of_types(jobs: Iterable[ClaimedJob], types: Iterable[str]) -> list[ClaimedJob]:
    known = set(types)
    return [job for job in jobs if job.type in known]
