"""Words that jobs shall be cancelled, which anybody who reaches Redis may say: what counts is the job's row.

And how what is at work is waited for, until it is cut off.
"""

import asyncio
from collections.abc import Callable, Collection
from uuid import UUID

from singr_db import PsycopgPool
from singr_db.chores import Trouble
from singr_jobs.taking import _sql


class Cancelling:
    """Asks the rows of jobs that were named, many at once.

    Args:
        pool: connections with platform rights.
        cancel: told the jobs whose cancellation somebody has asked for indeed.
    """

    def __init__(self, pool: PsycopgPool, *, cancel: Callable[[UUID], None]) -> None:
        self._pool = pool
        self._cancel = cancel
        self._named: set[UUID] = set()
        self._wake = asyncio.Event()

    def named(self, job_id: UUID) -> None:
        """Somebody named this job. Returns at once."""
        self._named.add(job_id)
        self._wake.set()

    async def run(self) -> None:
        """Ask until cancelled; a word that comes to nothing is made good by the next renewal of leases."""
        trouble = Trouble("the asking of cancellations", module="jobs.cancelling")
        while True:
            await self._wake.wait()
            self._wake.clear()
            named, self._named = self._named, set()
            try:
                async with self._pool.connection() as connection:
                    cursor = await connection.execute(_sql.UNWANTED, {"ids": _sql.uuid_array(named)})
                    unwanted = await cursor.fetchall()
                trouble.over()
            except Exception as error:  # noqa: BLE001 - see Trouble
                trouble.met(error)
                continue
            for (job_id,) in unwanted:
                self._cancel(job_id)


async def at_work_still(
    tasks: Collection[asyncio.Task[None]], cut: asyncio.Event, *, within: float
) -> set[asyncio.Task[None]]:
    """Wait `within` seconds for these, and no longer once they are cut off; answers those that have not ended."""
    ending = asyncio.create_task(asyncio.wait(tasks))
    cutting = asyncio.create_task(cut.wait())
    await asyncio.wait((ending, cutting), timeout=within, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    cutting.cancel()
    return {task for task in tasks if not task.done()}
