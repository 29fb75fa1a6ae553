"""Whether queues are well, and in words why not: a look that waits for nobody, and answers when nothing else does."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final, Literal, TypeVar

import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import lock_held, sql_text
from singr_jobs._plain import shown
from singr_jobs.declare._types import Queue
from singr_jobs.queues._memory_standing import KeepsStanding
from singr_jobs.queues._settings import Pause
from singr_jobs.queues._standing import (
    KEPT,
    NOW,
    QueueStanding,
    Session,
    WorkerView,
    list_queues,
    list_workers,
    read_queue,
)

T = TypeVar("T")

OLDEST_WITHIN: Final = 300.0
"""Seconds for which the oldest due job of a healthy queue may wait, unless told otherwise."""
_TYPES_NAMED: Final = 3

_SERVED: Final = sql_text("SELECT name FROM job_gates WHERE name = ANY (CAST(:queues AS text[]))")
_PATIENCE: Final = sql_text("SELECT current_setting('lock_timeout')")
_BE_PATIENT: Final = sql_text("SELECT set_config('lock_timeout', :patience, true)")
_A_MOMENT: Final = "500ms"
_TAKES_WRITES: Final = sql_text("""
SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'
""")
# Who holds a table of ours for itself; what other roles do, and since when, is told to privileged ones alone.
_HOLDER: Final = sql_text("""
SELECT held.relation::regclass::text AS name, held.pid, activity.application_name AS program,
       extract(epoch FROM clock_timestamp() - activity.xact_start)::float AS seconds
  FROM pg_locks AS held JOIN pg_class AS tables ON tables.oid = held.relation AND tables.relkind IN ('r', 'p')
  LEFT JOIN pg_stat_activity AS activity ON activity.pid = held.pid
 WHERE held.granted AND held.mode = 'AccessExclusiveLock' AND tables.relnamespace = current_schema()::regnamespace
   AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND held.pid IS DISTINCT FROM pg_backend_pid()
 ORDER BY activity.xact_start LIMIT 1
""")
# Asked twice, a moment apart: whoever waits in the same statement both times does not just commit at that moment.
_COMMITS: Final = sql_text("""
SELECT pid, query_start, extract(epoch FROM clock_timestamp() - query_start)::float AS seconds,
       pg_stat_clear_snapshot()::text, pg_sleep(:pause)::text
  FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND state = 'active'
   AND wait_event IN ('SyncRep', 'WALSync', 'WALWrite', 'WalSync', 'WalWrite')
   AND query_start < clock_timestamp() - interval '300 milliseconds'
 ORDER BY query_start LIMIT 1
""")
_BETWEEN_LOOKS: Final = 0.1


class QueueProblem(msgspec.Struct, frozen=True):
    """Why a queue is not healthy: a code for programs, a sentence for people."""

    code: Literal[
        "paused",
        "no_workers",
        "oldest_waits",
        "types_unknown",
        "database_read_only",
        "commits_hang",
        "database_locked",
    ]
    in_words: str


class QueueHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A queue's health, with the reasons."""

    queue: str
    healthy: bool
    problems: tuple[QueueProblem, ...]
    counted_at: datetime | None


class QueuesHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The health of all queues."""

    healthy: bool
    queues: tuple[QueueHealth, ...]


async def queue_health(session: Session, queue: Queue | str, *, oldest_within: float = OLDEST_WITHIN) -> QueueHealth:
    """Whether a queue is well: it has workers, is not paused, and its oldest due job waits no longer than that.

    And the database takes writes, ends commits, and keeps nobody from what has to be looked at: else it is told within
    a second, and of the queue itself what can be seen. A queue in which nothing is and that no worker ever served is
    well, too. Raises QueueUnknownError.
    """

    async def look() -> list[QueueHealth]:
        return await _health(session, [await read_queue(session, queue)], oldest_within)

    [health] = await _looked(session, look, [str(queue)])
    return health


async def queues_health(session: Session, *, oldest_within: float = OLDEST_WITHIN) -> QueuesHealth:
    """Whether all queues are well, and each of them; while a table is locked, those of this program are told."""

    async def look() -> list[QueueHealth]:
        return await _health(session, await list_queues(session), oldest_within)

    queues = await _looked(session, look, [queue.value for queue in Queue.declared()])
    return QueuesHealth(healthy=all(one.healthy for one in queues), queues=tuple(queues))


async def _looked(
    session: Session, look: Callable[[], Awaitable[list[QueueHealth]]], queues: Iterable[str]
) -> list[QueueHealth]:
    """What `look` finds, where nobody's lock keeps it from it, with what is wrong with the database before it."""
    if isinstance(session, KeepsStanding):
        return await look()
    wrong = await _database(session)
    found = await _within_a_moment(session, look)
    if isinstance(found, list):
        # Where nothing can be written, workers cannot say that they are there.
        mute = {"no_workers"} if any(problem.code == "database_read_only" for problem in wrong) else set()
        return [
            msgspec.structs.replace(
                one,
                healthy=one.healthy and not wrong,
                problems=(*wrong, *(problem for problem in one.problems if problem.code not in mute)),
            )
            for one in found
        ]
    problems = (*wrong, QueueProblem("database_locked", await _locked(session, found)))
    return [QueueHealth(queue=queue, healthy=False, problems=problems, counted_at=None) for queue in queues]


async def _within_a_moment(session: AsyncSession, ask: Callable[[], Awaitable[T]]) -> T | DBAPIError:
    """What was asked for; the error where half a second was waited for somebody's lock. The transaction goes on."""
    before = await session.scalar(_PATIENCE)
    try:
        async with session.begin_nested():
            await session.execute(_BE_PATIENT, {"patience": _A_MOMENT})
            answer = await ask()
            await session.execute(_BE_PATIENT, {"patience": before})
            return answer
    except DBAPIError as error:
        if lock_held(error) is None:
            raise
        return error


async def _database(session: AsyncSession) -> list[QueueProblem]:
    if not await session.scalar(_TAKES_WRITES):
        words = (
            "PostgreSQL accepts no writes (it is a standby, or was made read-only): no job begins, ends or is accepted."
        )
        return [QueueProblem("database_read_only", words)]
    first = (await session.execute(_COMMITS, {"pause": _BETWEEN_LOOKS})).first()
    if first is None:
        return []
    again = (await session.execute(_COMMITS, {"pause": 0})).first()
    if again is None or (first.pid, first.query_start) != (again.pid, again.query_start):
        return []
    words = (
        f"Commits do not end: one waits for {again.seconds:.1f} s (a synchronous standby is away, or the disk hangs)."
    )
    return [QueueProblem("commits_hang", words)]


async def _locked(session: AsyncSession, error: DBAPIError) -> str:
    holder = (await session.execute(_HOLDER)).first()
    if holder is None:
        return f"It cannot be looked at: {lock_held(error)}."
    who = f"process {holder.pid}" if holder.pid is not None else "a prepared transaction"
    who += f" ({shown(holder.program)})" if holder.program else ""
    since = "" if holder.seconds is None else f" for {holder.seconds:.0f} s"
    return (
        f"It cannot be looked at: {who} has locked {holder.name}{since}. What needs that table waits, workers included."
    )


async def _health(session: Session, standings: Iterable[QueueStanding], oldest_within: float) -> list[QueueHealth]:
    standings = tuple(standings)
    now, served, unknown = await _facts(session, [str(one.queue) for one in standings])
    workers = await list_workers(session)
    told = []
    for one in standings:
        queue = str(one.queue)
        problems = []
        if one.paused is not None:
            problems.append(_paused(one.paused))
        if not one.workers and (queue in served or any(one.jobs.values())):
            problems.append(QueueProblem("no_workers", _unserved(queue, workers, now)))
        if one.oldest_due_at is not None and (waits := (now - one.oldest_due_at).total_seconds()) > oldest_within:
            words = f"Its oldest due job has waited {waits:.0f} s; {oldest_within:.0f} s are allowed."
            problems.append(QueueProblem("oldest_waits", words))
        if one.workers and (types := unknown.get(queue)) and one.jobs["waiting"]:
            named = ", ".join(shown(name) for name in sorted(types)[:_TYPES_NAMED])
            words = f"No worker knows the type of {sum(types.values())} due jobs: {named}."
            problems.append(QueueProblem("types_unknown", words))
        told.append(QueueHealth(queue=queue, healthy=not problems, problems=tuple(problems), counted_at=one.counted_at))
    return told


def _paused(paused: Pause) -> QueueProblem:
    by = f" by {paused.by}" if paused.by else ""
    why = f": {paused.reason}" if paused.reason else ""
    return QueueProblem("paused", f"It is paused since {paused.since:%Y-%m-%d %H:%M:%S}Z{by}{why}")


def _unserved(queue: str, workers: Iterable[WorkerView], now: datetime) -> str:
    """Nobody serves it; and who did last, where that one did not say that it goes."""
    last = next((worker for worker in workers if queue in worker.queues), None)
    if last is None:
        return "No worker serves it."
    seconds = (now - last.seen_at).total_seconds()
    return f"No worker serves it: the last one, {shown(last.name)}, fell silent {seconds:.0f} s ago."


async def _facts(session: Session, queues: list[str]) -> tuple[datetime, set[str], dict[str, dict[str, int]]]:
    """The time, which of these queues were ever served, and how many due jobs of each are of types nobody knows."""
    if isinstance(session, KeepsStanding):
        return session.standing.now(), set(), {queue: session.standing.unknown(queue) for queue in queues}
    served = set((await session.scalars(_SERVED, {"queues": queues})).all())
    [(now, _)] = (await session.execute(NOW)).all()
    workers = [worker for worker in await list_workers(session) if not worker.silent]
    pairs = {(queue, job_type) for worker in workers for queue in worker.queues for job_type in worker.types}
    unknown: dict[str, dict[str, int]] = {}
    for row in await session.execute(KEPT, {"queues": queues}):
        if row.state == "waiting" and (row.queue, row.type) not in pairs:
            unknown.setdefault(row.queue, {})[row.type] = row.jobs
    return now, served, unknown
