"""The chores of flows: what is to be cancelled is, counts are what the rows say, and what is long over goes."""

import time
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Final
from uuid import UUID

from psycopg.rows import namedtuple_row

from singr_db import PsycopgPool, sql
from singr_db.chores import Chore
from singr_db.ending import CANCEL_FLOW
from singr_jobs.intake._waker import Waker
from singr_observability import get_logger

BITE: Final = 1000
_TURNS_BETWEEN_LOOKS: Final = 30
_LOOKS_EVERY: Final = 55.0
_AUDITS_EVERY: Final = 3595.0
"""Seconds; somewhat less than the turns of one process, so that it is not kept out by its own last one."""
_LOOK: Final = "*flows"
_AUDIT: Final = "*flows audited"
_ONE_IN: Final = 100
"""A look may take one part in so many of all time: the dearer it is, the seldomer."""
_FLOWS_AT_ONCE: Final = 100
_FORGOTTEN_AT_ONCE: Final = 500

_log = get_logger("jobs.flows")

# Where all members have ended or were asked to stop, nothing is left to cancel: these wait for their workers.
_TO_CANCEL = sql("""
SELECT id FROM flows
 WHERE finished_at IS NULL AND cancelled_at IS NOT NULL AND id > %(after)s
   AND EXISTS (SELECT FROM jobs WHERE flow_id = flows.id AND status = 'pending' AND NOT cancel_requested)
 ORDER BY id LIMIT %(limit)s
""")
_CANCEL = sql(CANCEL_FLOW)
_UNFINISHED = sql("SELECT id FROM flows WHERE finished_at IS NULL AND id > %(after)s ORDER BY id LIMIT %(limit)s")
# Of all processes one looks, every so often.
_MAY = sql("""
INSERT INTO job_gates (name, held_until) VALUES (%(gate)s, now() + %(seconds)s * interval '1 second')
ON CONFLICT (name) DO UPDATE SET held_until = excluded.held_until
 WHERE job_gates.held_until IS NULL OR job_gates.held_until <= now()
""")
_NOT_BEFORE = sql("UPDATE job_gates SET held_until = now() + %(seconds)s * interval '1 second' WHERE name = %(gate)s")
# In one look of the database: whatever ends a member counts it in the same transaction, so that what differs here does.
# Flow by flow, along the index of its members, however many other jobs there are.
_DIFFERING = sql("""
SELECT f.id FROM flows AS f
 CROSS JOIN LATERAL (
    SELECT count(*) AS ended FROM jobs WHERE jobs.flow_id = f.id AND jobs.status <> 'pending') AS there
 WHERE f.finished_at IS NULL AND there.ended <> f.completed + f.failed + f.cancelled
 ORDER BY f.id LIMIT 100
""")
_MEND = sql("SELECT * FROM mend_flow(%(id)s, now())")
# A flow goes when the last of its jobs has gone, or a day later where it never had one.
_FORGET = sql("""
WITH gone AS (
    DELETE FROM flows WHERE id = ANY (ARRAY(
        SELECT f.id FROM flows AS f
         WHERE f.finished_at < now() - interval '1 day' AND NOT EXISTS (SELECT FROM jobs WHERE jobs.flow_id = f.id)
         ORDER BY f.finished_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING id
), edges AS (
    DELETE FROM job_dependencies WHERE flow_id IN (SELECT id FROM gone)
)
SELECT count(*) FROM gone
""")


class FlowKeeper(Chore):
    """Sees to it that no flow waits for ever.

    What is left of a flow that is to be cancelled is cancelled in bites, whoever adds to it or has jobs of it in hand
    meanwhile. About every minute one process looks whether as many members have ended as were counted: a worker of a
    release that knows no flows counts nobody. Once an hour one compares all counts and places with the rows of the
    members: none ever should differ, and one that does is a fault of ours, mended and told as an error. Neither is done
    as a process starts: a flow stands still while it is compared, and at a roll-out all of them start.
    """

    name: ClassVar = "the keeping of flows"
    module: ClassVar = "jobs.flows"
    every = 2.0

    def __init__(self, pool: PsycopgPool, *, waker: Waker) -> None:
        self._pool = pool
        self._waker = waker
        self._turns = 0

    async def work(self) -> int:
        """One turn; answers how many members it cancelled."""
        cancelled = 0
        async for flow_id in self._all(_TO_CANCEL):
            cancelled += await self.cancel(flow_id)
        self._turns += 1
        if self._turns % _TURNS_BETWEEN_LOOKS == 0:
            await self.look()
            if await self._may(_AUDIT, _AUDITS_EVERY):
                await self.audit()
                await self._forget()
        return cancelled

    async def cancel(self, flow_id: UUID) -> int:
        """Cancel what waits of a flow, and tell the workers of the rest to stop it."""
        cancelled, looked = 0, BITE
        while looked == BITE:
            rows = await self._rows(_CANCEL, {"flow_id": flow_id, "limit": BITE})
            for row in rows:
                if row.status != "cancelled":
                    self._waker.cancel(row.id)
            looked = len(rows)
            cancelled += looked
        return cancelled

    async def look(self) -> int:
        """Mend flows of which more members have ended than were counted; answers how many these were.

        Where another process has looked of late, or it is not time yet, it does nothing.
        """
        if not await self._may(_LOOK, _LOOKS_EVERY):
            return 0
        began = time.monotonic()
        differing = await self._rows(_DIFFERING, {})
        wait = (time.monotonic() - began) * _ONE_IN
        if wait > _LOOKS_EVERY:
            async with self._pool.connection() as connection:
                await connection.execute(_NOT_BEFORE, {"gate": _LOOK, "seconds": wait})
        for flow in differing:
            await self._mend(flow.id)
        return len(differing)

    async def audit(self) -> int:
        """Compare what is counted with what is there; answers how many flows differed."""
        wrong = 0
        async for flow_id in self._all(_UNFINISHED):
            wrong += await self._mend(flow_id)
        return wrong

    async def _all(self, statement: str) -> AsyncIterator[UUID]:
        """The ids of all flows that a statement finds, however many stay as they are: those behind have their turn."""
        after = UUID(int=0)
        while flows := await self._rows(statement, {"after": after, "limit": _FLOWS_AT_ONCE}):
            for flow in flows:
                yield flow.id
            after = flows[-1].id

    async def _may(self, gate: str, seconds: float) -> bool:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_MAY, {"gate": gate, "seconds": seconds})
            return cursor.rowcount > 0

    async def _mend(self, flow_id: UUID) -> int:
        found = await self._rows(_MEND, {"id": flow_id})
        for one in found:
            _log.error("the flow {} was not as its members are, and is mended: {}", flow_id, one.problem)
            self._waker.wake(one.queues)
        return len(found)

    async def _forget(self) -> None:
        gone = _FORGOTTEN_AT_ONCE
        while gone == _FORGOTTEN_AT_ONCE:
            [(gone,)] = await self._rows(_FORGET, {"limit": _FORGOTTEN_AT_ONCE})

    async def _rows(self, statement: str, values: dict[str, Any]) -> list[Any]:
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=namedtuple_row)
            return await (await cursor.execute(statement, values)).fetchall()
