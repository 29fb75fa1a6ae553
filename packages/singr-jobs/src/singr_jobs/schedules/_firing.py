"""The chore that fires schedules: times become jobs, each once, whatever the number of processes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final, Protocol
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import namedtuple_row

from singr_db import PsycopgPool, new_id
from singr_db.chores import Chore
from singr_jobs._plain import plain_text
from singr_jobs.declare._errors import IntakeError, ReservedError
from singr_jobs.intake._waker import Waker
from singr_jobs.running._observer import GuardedObserver, JobObserver
from singr_jobs.schedules import _sql
from singr_jobs.schedules._drafts import drawn
from singr_jobs.schedules._errors import ScheduleError
from singr_jobs.schedules._plan import Met, Plan, Stored, plan
from singr_jobs.schedules._sql import FireRow, NextRow, NoteRow
from singr_jobs.schedules._views import STORED
from singr_jobs.schedules._zones import RULES
from singr_observability import get_logger

BITE: Final = 500
_KEPT_DAYS: Final = 31
_FORGOTTEN_AT_ONCE: Final = 5000
_TURNS_BETWEEN_TIDYING: Final = 600
_TURNS_BETWEEN_WORDS: Final = 15

_encode = msgspec.json.Encoder().encode
_log = get_logger("jobs.schedules")


class Made(msgspec.Struct, kw_only=True):
    """The job of a caller's request, and what is stored with it: the columns of the job that the request decides."""

    columns: Mapping[str, Any]
    intake: int | None = None
    companion: msgspec.Struct | None = None


class Requests(Protocol):
    """How sealed requests become jobs.

    Attributes:
        types: the job types that this process knows requests of.
        needs: by job type, the scopes that whoever asked must have still.
        inserts: the statements of their companions, by the number that `made` names.
    """

    types: Sequence[str]
    needs: Mapping[str, Sequence[str]]
    inserts: Sequence[str]

    def made(self, request: bytes, *, job_type: str, job_id: UUID, organization_id: UUID, for_platform: bool) -> Made:
        """The job; `for_platform` where whoever asked may act for the platform at this moment.

        Raises what `Scheduler` takes for a refusal: an error of any kind.
        """
        ...


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
        jobs, looked = 0, BITE
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
            turn = _Turn(self._requests, refusal)
            for row in rows:
                turn.take(row)
            made = await self._write(connection, turn)
        self._waker.wake({fire.queue for fire in turn.fires})
        for job_id in turn.stopped:
            self._waker.cancel(job_id)
        fired = [fire.outcome for fire in turn.fires if fire.id in made]
        self._observer.call(self._observer.observer.fired, Counter([*fired, *(note.outcome for note in turn.notes)]))
        return len(made), len(rows)

    async def _locked(
        self, connection: psycopg.AsyncConnection[Any], lock: str, values: Mapping[str, Any]
    ) -> list[Any]:
        ids = [schedule_id for (schedule_id,) in await (await connection.execute(lock, values)).fetchall()]
        if not ids:
            return []
        cursor = connection.cursor(row_factory=namedtuple_row)
        rows: list[Any] = await (await cursor.execute(_sql.LOOK, {"ids": ids, "needs": self._needs})).fetchall()
        return rows

    async def _write(self, connection: psycopg.AsyncConnection[Any], turn: "_Turn") -> set[UUID]:
        """Write it all down; answers the jobs that it made."""
        made: set[UUID] = set()
        for job in turn.cancelled:
            await connection.execute(_sql.LOCK_JOB, job)
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
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_sql.DUE, self._due)
            due = [schedule_id for (schedule_id,) in await cursor.fetchall()]
        jobs = 0
        for schedule_id in due:
            try:
                jobs += (await self._bite(_sql.LOCK_ONE, {"id": schedule_id}))[0]
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                words = f"its job cannot be stored: {type(error).__name__}"
                await self._bite(_sql.LOCK_ONE, {"id": schedule_id}, refusal=words)
        return jobs

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
                turn = _Turn(None, None)
                for row in stale:
                    turn.reckon(row)
                await self._write(connection, turn)
            looked = len(stale)
        gone = _FORGOTTEN_AT_ONCE
        while gone == _FORGOTTEN_AT_ONCE:
            async with self._pool.connection() as connection:
                values = {"days": _KEPT_DAYS, "limit": _FORGOTTEN_AT_ONCE}
                gone = (await connection.execute(_sql.FORGET, values)).rowcount


class _Turn:
    """What one transaction does."""

    def __init__(self, requests: Requests | None, refusal: str | None) -> None:
        self._requests = requests
        self._refusal = refusal
        self.fires: list[FireRow] = []
        self.notes: list[NoteRow] = []
        self.following: list[NextRow] = []
        self.cancelled: list[dict[str, UUID]] = []
        self.stopped: list[UUID] = []

    def take(self, row: Any) -> None:
        """Do what a due schedule asks for; where it cannot, pause it."""
        stored = Stored(**{name: getattr(row, name) for name in STORED})
        try:
            self._check(row)
            made = plan(stored, stored.rule, row.moment, busy=bool(row.unfinished))
            fires = [self._fired(row, met) for met in made.met if met.makes_job]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this schedule's, and harms no other
            self._refuse(stored, row, error)
            return
        self.fires += fires
        self.notes += [self._noted(stored, met) for met in made.met if not met.makes_job]
        if made.cancels:
            self.cancelled += [{"id": one, "organization_id": stored.organization_id} for one in row.unfinished]
        self.following.append(_following(stored, made, fires))

    def _check(self, row: Any) -> None:
        if self._refusal is not None:
            raise ScheduleError("job", self._refusal)
        if not row.stands:
            raise ScheduleError("job", "is asked for by somebody who may not do so any more: schedule it anew")

    def reckon(self, row: Any) -> None:
        """Give a schedule its next time anew."""
        stored = Stored(**{name: getattr(row, name) for name in STORED})
        try:
            following = stored.rule.after(row.moment)
        except Exception as error:  # noqa: BLE001 - as above
            self._refuse(stored, row, error)
            return
        self.following.append(_following(stored, Plan(met=[], next_fire_at=following), []))

    def _fired(self, row: Any, met: Met) -> FireRow:
        job_id = new_id()
        if row.request is None:
            columns = msgspec.json.decode(row.job, type=_Kept)
            made = Made(columns=msgspec.structs.asdict(columns))
        elif self._requests is not None:
            made = self._requests.made(
                row.request,
                job_type=row.type,
                job_id=job_id,
                organization_id=row.organization_id,
                for_platform=row.for_platform,
            )
        else:
            raise ScheduleError("job", "is a request, and this process takes none")
        return FireRow(
            id=job_id,
            organization_id=row.organization_id,
            type=row.type,
            schedule_id=row.id,
            fire_at=met.fire_at,
            outcome=met.outcome,
            created_by=row.created_by,
            intake=made.intake,
            companion=made.companion,
            **made.columns,
        )

    def _noted(self, stored: Stored, met: Met) -> NoteRow:
        return NoteRow(
            id=new_id(),
            schedule_id=stored.id,
            organization_id=stored.organization_id,
            fire_at=met.fire_at,
            outcome=met.outcome,
            until=met.until,
        )

    def _refuse(self, stored: Stored, row: Any, error: Exception) -> None:
        known = isinstance(error, ScheduleError | IntakeError | ReservedError)
        problem = plain_text(error if known else f"it cannot become a job: {type(error).__name__}", limit=500)
        _log.warning("the schedule {} is paused: {}", stored.id, problem)
        at = stored.asked_at or stored.next_fire_at or row.moment
        self.notes.append(
            NoteRow(
                id=new_id(),
                schedule_id=stored.id,
                organization_id=stored.organization_id,
                fire_at=at,
                outcome="refused",
                until=None,
            )
        )
        following = _following(stored, Plan(met=[], next_fire_at=None), [])
        if stored.state == "active":
            following.state = "paused"
        following.problem = problem
        self.following.append(following)


class _Kept(msgspec.Struct):
    """A job as a schedule keeps it."""

    queue: str
    priority: int
    payload: msgspec.Raw
    max_attempts: int
    backoff: float
    timeout: float


def _following(stored: Stored, made: Plan, fires: list[FireRow]) -> NextRow:
    late_by = stored.late_by
    if made.next_fire_at != stored.next_fire_at:
        late_by = drawn(stored.rule, made.next_fire_at, stored.jitter) if made.next_fire_at is not None else 0.0
    due_at = made.held_until
    if due_at is None and made.next_fire_at is not None:
        due_at = made.next_fire_at + timedelta(seconds=late_by)
    return NextRow(
        id=stored.id,
        state="ended" if stored.state == "active" and made.next_fire_at is None else stored.state,
        next_fire_at=made.next_fire_at,
        late_by=late_by,
        due_at=due_at,
        held_at=made.held_at,
        last_fire_at=fires[-1].fire_at if fires else None,
        last_job_id=fires[-1].id if fires else None,
        problem=None,
        rules=RULES,
    )
