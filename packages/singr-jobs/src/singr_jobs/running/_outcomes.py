"""How attempts end in the database: outcomes by the batch."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import LockNotAvailable

from singr_db import PsycopgPool, blames_values, is_outage
from singr_db.chores import Trouble
from singr_db.ending import COMPLETE, SETTLE, End
from singr_jobs._plain import kind_of
from singr_jobs.declare._types import Exponential
from singr_jobs.running._endings import Ended, unwritable
from singr_jobs.running._holdings import Holdings
from singr_jobs.taking import _sql
from singr_observability import get_logger

_BATCH = 512
_RETRY = 0.5
# How often an outcome is tried that fails alone, for a reason that is not in its values, before it is replaced.
_TRIES = 6
_AGAIN: Final = Exponential(1.0, longest=5.0)
# Seconds before an outcome is tried again whose job somebody else had locked.
_LOCKED = 1.0

_FOLLOWED = frozenset({COMPLETE.followed, SETTLE.followed})

_log = get_logger("jobs.outcomes")


class Outcomes:
    """Writes outcomes in batches: while one batch is on its way, the next gathers.

    A database that is away, busy or read-only only delays them, and a job that somebody else has locked delays its own;
    meanwhile it is asked first whose jobs are free, so that no batch waits for that lock each time.
    A batch that fails twice for another reason is written one by one, so that no outcome holds up its neighbours; one
    that PostgreSQL refuses for what is in it is recorded as failed. Should a lease run out meanwhile, the job runs
    again elsewhere and the late outcome finds no ticket: it changes nothing.

    Args:
        pool: connections with platform rights.
        worker: whose attempts they were.
        holdings: which jobs are left on which tickets.
        settled: called with what has been written.
        locked: called with what cannot be, since somebody holds its rows; it is tried again until it is written.
        promoted: called with the queues in which members of flows came to be due with that.
    """

    def __init__(
        self,
        pool: PsycopgPool,
        *,
        worker: str,
        holdings: Holdings,
        settled: Callable[[list[Ended]], None],
        locked: Callable[[list[Ended]], None],
        promoted: Callable[[Iterable[str]], None],
    ) -> None:
        self._pool = pool
        self._worker = worker
        self._holdings = holdings
        self._settled = settled
        self._locked = locked
        self._promoted = promoted
        self._ended: list[Ended] = []
        self._aside = 0
        self._locked_jobs: set[UUID] = set()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._trouble = Trouble("the writing of outcomes", module="jobs.outcomes")

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, ended: Ended) -> None:
        """Take an outcome; returns at once."""
        self._ended.append(ended)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled; no error ends it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ended:
                batch, self._ended = self._ended[:_BATCH], self._ended[_BATCH:]
                await self._write(batch)
            if not self._aside:
                self._idle.set()

    async def flushed(self, within: float) -> bool:
        """Wait until all is written; False when `within` seconds did not suffice."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        return self._idle.is_set()

    async def _write(self, batch: list[Ended]) -> None:
        if self._locked_jobs and (free := await self._unlocked(batch)) is not None:
            batch = self._without_the_locked(batch, free)
        error = await self._tried(batch) if batch else None
        if isinstance(error, LockNotAvailable):
            batch = self._without_the_locked(batch, await self._unlocked(batch))
            error = await self._tried(batch) if batch else None
        if error is not None and not blames_values(error):
            await asyncio.sleep(_RETRY)
            error = await self._tried(batch)
        if error is None:
            return
        if len(batch) == 1:
            await self._refused(batch[0], error)
            return
        for one in batch:
            error = await self._tried([one])
            if error is not None:
                await self._refused(one, error)

    async def _tried(self, batch: list[Ended]) -> Exception | None:
        """Write them, however long the database is away; answers the error where it is there and refuses."""
        while True:
            try:
                await self._write_once(batch)
            except Exception as error:  # noqa: BLE001 - sorted here, and written down
                self._trouble.met(error)
                if not is_outage(error) or isinstance(error, LockNotAvailable):
                    return error
                await asyncio.sleep(_RETRY)
            else:
                self._trouble.over()
                self._locked_jobs.difference_update(ended.job_id for ended in batch)
                self._settled(batch)
                return None

    async def _unlocked(self, batch: list[Ended]) -> set[UUID] | None:
        """The jobs that nobody else has locked; None: the whole table is locked, or the database went away."""
        with contextlib.suppress(Exception):
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '1s'")
                rows = await (await connection.execute(_sql.UNLOCKED, _ids(batch))).fetchall()
                return {job_id for (job_id,) in rows}
        return None

    def _without_the_locked(self, batch: list[Ended], free: set[UUID] | None) -> list[Ended]:
        """Those whose jobs are free; the others are tried again later, however long that goes on."""
        if free is None:
            for ended in batch:
                self._later(ended, _LOCKED)
            return []
        self._locked_out([ended for ended in batch if ended.job_id not in free])
        return [ended for ended in batch if ended.job_id in free]

    def _locked_out(self, batch: list[Ended]) -> None:
        self._locked_jobs.update(ended.job_id for ended in batch)
        self._locked(batch)
        for ended in batch:
            self._later(ended, _LOCKED)

    def _later(self, ended: Ended, pause: float) -> None:
        self._aside += 1
        asyncio.get_running_loop().call_later(pause, self._again, ended)

    async def _refused(self, ended: Ended, error: Exception) -> None:
        """One outcome cannot be written: say so in its place, or try it later where the fault is elsewhere."""
        if isinstance(error, LockNotAvailable):
            self._locked_out([ended])
            return
        if blames_values(error) or ended.tries >= _TRIES:
            _log.error("an outcome cannot be stored and is replaced: {}", kind_of(error))
            if await self._tried([unwritable(ended)]) is None:
                return
        ended.tries += 1
        self._later(ended, _AGAIN.delay(ended.tries))

    def _again(self, ended: Ended) -> None:
        self._aside -= 1
        self.add(ended)

    async def _write_once(self, batch: list[Ended]) -> None:
        tickets = {"tokens": list({ended.token for ended in batch}), "worker": self._worker, "spent": []}
        completed = [ended for ended in batch if ended.status == "completed"]
        others = [ended for ended in batch if ended.status != "completed"]
        statements: list[tuple[str, dict[str, Any]]] = []
        if completed:
            results = {"results": [ended.result for ended in completed]}
            statements.append((_form(COMPLETE, completed), {**tickets, **_ids(completed), **results}))
        if others:
            statements.append((_form(SETTLE, others), {**tickets, **_ids(others), **_settlement(others)}))
        # A ticket that is torn up is a fence no more: with the last statement only.
        statements[-1][1]["spent"] = self._holdings.spent(ended.token for ended in batch)
        queues: set[str] = set()
        async with self._pool.connection() as connection:
            if len(statements) == 1:
                queues |= await self._end(connection, *statements[0])
            else:
                async with connection.transaction():
                    for statement, values in statements:
                        queues |= await self._end(connection, statement, values)
        if queues:
            self._promoted(queues)

    async def _end(self, connection: AsyncConnection[Any], statement: str, values: dict[str, Any]) -> set[str]:
        """Run one; answers the queues in which others came to be due."""
        cursor = await connection.execute(statement, values)
        if statement not in _FOLLOWED:
            return set()
        [(_, queues)] = await cursor.fetchall()
        return set(queues)


def _form(end: End, batch: list[Ended]) -> str:
    return end.sql(followed=any(ended.followed for ended in batch))


def _ids(batch: list[Ended]) -> dict[str, Any]:
    return {"ids": _sql.uuid_array([ended.job_id for ended in batch])}


def _settlement(batch: list[Ended]) -> dict[str, Any]:
    return {
        "statuses": [ended.status for ended in batch],
        "outcomes": [ended.outcome for ended in batch],
        "errors": [ended.error for ended in batch],
        "delays": [ended.delay for ended in batch],
        "holding": _sql.uuid_array([ended.job_id for ended in batch if ended.holds_key]),
    }
