"""Jobs that cross between processes on tickets: those of others that begin here, and those that cannot begin soon."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence

from singr_db import PsycopgPool
from singr_db.chores import Trouble
from singr_jobs.running._line import PATIENCE, Line
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._claims import accept
from singr_jobs.taking._dispatcher import Taker
from singr_jobs.taking._handing import HandOver
from singr_jobs.taking._tickets import Ticket

_AT_ONCE = 8
# Seconds between two looks at what cannot begin soon.
_LOOK = 0.05


class Arrivals:
    """Accepts tickets for one line as it has room, and lets wait again, in turn with others, what cannot run here.

    Args:
        pool: connections with platform rights.
        line: whose tickets they are.
        taker: this process's runner.
        handing: takes what there is no room for, or is of no type that is known here.
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

    async def run(self, pause: float) -> None:
        """Accept until cancelled; whatever strikes it, it tries again after `pause` seconds."""
        trouble = Trouble(f"the accepting of {self._line.queue} jobs", module="jobs.arrivals")
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._line.tickets and not self._over:
                room = self._line.room_for_tickets
                tickets = self._next(room)
                try:
                    async with self._accepting:
                        await (self._accept(tickets) if room > 0 else self._leave(tickets))
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

    def _next(self, room: int) -> list[Ticket]:
        """As many tickets as bring what there is room for, one at the least; where there is none, all of them."""
        tickets: list[Ticket] = []
        jobs = 0
        while self._line.tickets and (room <= 0 or not tickets or (jobs < room and len(tickets) < _AT_ONCE)):
            tickets.append(self._line.tickets.popleft())
            jobs += tickets[-1].jobs
        return tickets

    async def _leave(self, tickets: Sequence[Ticket]) -> None:
        """There is no room any more: what they name waits for whoever has some, and keeps nobody from this process."""
        await self._handing.let_wait(self._line.queue, (), [ticket.token for ticket in tickets])
        self._line.in_hand -= sum(ticket.jobs for ticket in tickets)

    async def _accept(self, tickets: Sequence[Ticket]) -> None:
        claimant, tokens = self._taker.claimant(), [ticket.token for ticket in tickets]
        with self._taker.taking(tokens):
            accepted = await accept(self._pool, self._line.queue, tokens, claimant)
            known = _of_types(accepted, claimant.types)
            fit, _ = self._line.fitting(known, time.monotonic())
            # The others first: whoever ends the last job of a ticket that begins here tears the ticket up.
            if len(fit) < len(accepted):
                ours = {job.id for job in fit}
                others = [job for job in accepted if job.id not in ours]
                await self._handing.let_wait(self._line.queue, others)
            self._line.in_hand += len(fit) - sum(ticket.jobs for ticket in tickets)
            self._begin(self._line, fit)


class Departures:
    """Offers others what waits in a process behind jobs that take their time, and may be begun elsewhere sooner.

    Args:
        lines: of this process.
        handing: takes what is offered.
        forget: called with jobs that are others' now.
        begin: called with a line in which something may have room since it was looked at.
    """

    def __init__(
        self,
        lines: Collection[Line],
        handing: HandOver,
        *,
        forget: Callable[[Sequence[ClaimedJob]], None],
        begin: Callable[[Line], None],
    ) -> None:
        self._lines = lines
        self._handing = handing
        self._forget = forget
        self._begin = begin
        self._trouble = Trouble("the handing over of jobs", module="jobs.runner")
        self._offering = asyncio.Lock()
        self._over = False

    async def run(self, at_work: asyncio.Event) -> None:
        """Look until cancelled, while there is work or an offer stands."""
        while True:
            if not self._handing.offers:
                await at_work.wait()
            await asyncio.sleep(_LOOK)
            try:
                async with self._offering:
                    await self._look()
                self._trouble.over()
            except Exception as error:  # noqa: BLE001 - see Trouble
                self._trouble.met(error)
                await asyncio.sleep(PATIENCE)

    async def stop(self, within: float) -> None:
        """Offer nothing more, and hear of what is on its way: it stands, or waits here again."""
        self._over = True
        with contextlib.suppress(TimeoutError):  # a database that is away: the leases of what it was offered run out
            async with asyncio.timeout(within), self._offering:
                pass

    async def _look(self) -> None:
        if self._over:
            return
        await self._handing.take_back()
        for line in self._lines:
            if not self._over:
                await self._offer(line)

    async def _offer(self, line: Line) -> None:
        jobs = line.let_go(time.monotonic())
        if not jobs:
            return
        try:
            await self._handing.offer(line.queue, jobs)
        except Exception:
            # They stay ours. Had it worked after all, its renewal or its end would find a job lost.
            line.ready.extend(jobs)
            raise
        else:
            self._forget(jobs)
        finally:
            self._begin(line)


def _of_types(jobs: Iterable[ClaimedJob], types: Iterable[str]) -> list[ClaimedJob]:
    known = set(types)
    return [job for job in jobs if job.type in known]
