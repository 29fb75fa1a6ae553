"""The chore that fires schedules: times become jobs, each once, whatever the number of processes."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import namedtuple_row

from singr_db import PsycopgPool
from singr_db.chores import Chore
from singr_jobs.intake._waker import Waker
from singr_jobs.running._observer import GuardedObserver, JobObserver
from singr_jobs.schedules import _sql
from singr_jobs.schedules._turn import Requests, Turn
from singr_jobs.schedules._zones import RULES
from singr_observability import get_logger

BITE: Final = 500
_KEPT_DAYS: Final = 31
_FORGOTTEN_AT_ONCE: Final = 5000
_TURNS_BETWEEN_TIDYING: Final = 600
_TURNS_BETWEEN_WORDS: Final = 15

_encode = msgspec.json.Encoder().encode
_log = get_logger("jobs.schedules")


class Scheduler(Chore):
    """Fires what is due by PostgreSQL's clock, once a second.

    Whoever holds a schedule's row fires it: the time's own row, the job, and the next time are one transaction. What
    cannot become a job any more is paused, and says why; it keeps no other schedule from firing.
    """

    name: ClassVar = "firing schedules"
    module: ClassVar = "jobs.schedules"
    every = 1.0

    def __init__(
        self,
        pool: PsycopgPool,
        *,
        waker: Waker,
        requests: Requests | None = None,
        observer: GuardedObserver | None = None,
    ) -> None:
        self._pool = pool
        self._waker = waker
        self._observer = observer or GuardedObserver(JobObserver())
        self._requests = requests
        types, needs = (requests.types, requests.needs) if requests is not None else ((), {})
        self._due = {"types": list(types), "limit": BITE}
        self._needs = _encode(needs).decode()
        self._fire = _sql.fire_with(requests.inserts if requests is not None else ())
        self._turns = 0

    async def work(self) -> int:
        """Fire all that is due; answers how many jobs came of it."""
        if self._turns % _TURNS_BETWEEN_TIDYING == 0:
            await self._tidy()
        jobs, looked = 0, BITE if await self._look(limit=1) else 0
        while looked == BITE:
            try:
                made, looked = await self._bite(_sql.LOCK_DUE, self._due)
            except (psycopg.DataError, psycopg.IntegrityError):
                made, looked = await self._one_by_one(), 0
            jobs += made
        if self._turns % _TURNS_BETWEEN_WORDS == 0:
            await self._tell_what_is_late()
        self._turns += 1
        return jobs

    async def _bite(self, lock: str, values: Mapping[str, Any], *, refusal: str | None = None) -> tuple[int, int]:
        async with self._pool.connection() as connection, connection.transaction():
            rows = await self._locked(connection, lock, values)
            turn = Turn(self._requests, refusal)
            for row in rows:
                turn.take(row)
            made = await self._write(connection, turn)
        self._waker.wake({fire.queue for fire in turn.fires})
        for job_id in turn.stopped:
            self._waker.cancel(job_id)
        fired = [fire.outcome for fire in turn.fires if fire.id in made]
        self._observer.call(self._observer.observer.fired, Counter([*fired, *(note.outcome for note in turn.notes)]))
        return len(made), len(turn.following)

    async def _locked(
        self, connection: psycopg.AsyncConnection[Any], lock: str, values: Mapping[str, Any]
    ) -> list[Any]:
        ids = [schedule_id for (schedule_id,) in await (await connection.execute(lock, values)).fetchall()]
        if not ids:
            return []
        cursor = connection.cursor(row_factory=namedtuple_row)
        rows: list[Any] = await (await cursor.execute(_sql.LOOK, {"ids": ids, "needs": self._needs})).fetchall()
        return rows

    async def _write(self, connection: psycopg.AsyncConnection[Any], turn: Turn) -> set[UUID]:
        """Write it all down; answers the jobs that it made."""
        made: set[UUID] = set()
        for job in turn.cancelled:
            if (await connection.execute(_sql.LOCK_JOB, job)).rowcount == 0:  # by somebody who may take their time
                turn.leave(job["schedule_id"])
                continue
            cursor = connection.cursor(row_factory=namedtuple_row)
            stopped: Any = await (await cursor.execute(_sql.STOP, job)).fetchone()
            if stopped is not None and stopped.status != "cancelled":
                turn.stopped.append(job["id"])
        if turn.fires:
            found = await connection.execute(self._fire, {"rows": _encode(turn.fires).decode()})
            made = {job_id for (job_id,) in await found.fetchall()}
        if turn.notes:
            await connection.execute(_sql.NOTE, {"rows": _encode(turn.notes).decode()})
        if turn.following:
            for one in turn.following:
                one.last_job_id = one.last_job_id if one.last_job_id in made else None
            await connection.execute(_sql.GO_ON, {"rows": _encode(turn.following).decode()})
        return made

    async def _one_by_one(self) -> int:
        """Some schedule's job cannot be stored: find it, pause it, and fire the others."""
        jobs = 0
        for schedule_id in await self._look(limit=BITE):
            try:
                jobs += (await self._bite(_sql.LOCK_ONE, {"id": schedule_id}))[0]
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                words = f"its job cannot be stored: {type(error).__name__}"
                await self._bite(_sql.LOCK_ONE, {"id": schedule_id}, refusal=words)
        return jobs

    async def _look(self, *, limit: int) -> list[UUID]:
        """What is due now, without locks: one statement, where nothing is, costs a third of a transaction."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_sql.DUE, {**self._due, "limit": limit})
            return [schedule_id for (schedule_id,) in await cursor.fetchall()]

    async def _tell_what_is_late(self) -> None:
        async with self._pool.connection() as connection:
            late: Any = await (await connection.execute(_sql.LATE)).fetchone()
        self._observer.call(self._observer.observer.schedules_late, late[0])

    async def _tidy(self) -> None:
        """Reckon anew what was reckoned by older rules of the zones; forget what was long ago."""
        looked = BITE
        while looked == BITE:
            async with self._pool.connection() as connection, connection.transaction():
                stale = await self._locked(connection, _sql.LOCK_STALE, {"rules": RULES, "limit": BITE})
                turn = Turn(None, None)
                for row in stale:
                    turn.reckon(row)
                await self._write(connection, turn)
            looked = len(stale)
        gone = _FORGOTTEN_AT_ONCE
        while gone == _FORGOTTEN_AT_ONCE:
            async with self._pool.connection() as connection:
                values = {"days": _KEPT_DAYS, "limit": _FORGOTTEN_AT_ONCE}
                gone = (await connection.execute(_sql.FORGET, values)).rowcount
