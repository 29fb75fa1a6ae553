"""How queues stand: what is in them, since when, who serves them, and what they did of late."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import sql_text
from singr_jobs.declare._types import Queue
from singr_jobs.maintenance._presence import ALIVE
from singr_jobs.queues._history import RecentFigures, recent_figures
from singr_jobs.queues._memory_standing import KeepsStanding
from singr_jobs.queues._settings import QueueSettings
from singr_jobs.queues._store import read_all_queue_settings, read_queue_settings

EXACT_UP_TO: Final = 1000
"""Up to so many jobs a queue is counted as it is asked for; beyond, the last count of the workers is told."""
_MOST_WORKERS: Final = 1000

KEPT: Final = sql_text("""
SELECT queue, state, type, jobs, oldest, counted_at FROM queue_counts WHERE queue = ANY (CAST(:queues AS text[]))
""")
# In the order of its key: a table of which PostgreSQL does not know how much is of this queue is not read whole.
_WAITING: Final = sql_text("""
SELECT queue, counted.jobs, counted.oldest
  FROM unnest(CAST(:queues AS text[])) AS queue CROSS JOIN LATERAL (
    SELECT count(*) AS jobs, min(run_at) AS oldest
      FROM (SELECT run_at FROM job_ready AS ready WHERE ready.queue = queue.queue
             ORDER BY ready.queue, ready.organization_id, ready.priority, ready.run_at, ready.id
             LIMIT :most) AS few) AS counted
""")
# Where there are more, the rest of what is asked for is not looked at; each row by its key, never the table as a whole.
_LATER: Final = sql_text("""
SELECT queue, count(*) AS jobs FROM (SELECT queue FROM job_later LIMIT :most) AS few GROUP BY queue
""")
# Jobs with a key that no look has met yet, those that their key holds back, and those that wait for others.
_APART: Final = sql_text("""
SELECT queue, CASE WHEN run_at > now() THEN 'delayed' ELSE 'waiting' END AS state, count(*) AS jobs,
       min(run_at) AS oldest
  FROM (SELECT queue, run_at FROM job_keyed LIMIT :most) AS few GROUP BY 1, 2
UNION ALL
SELECT queue, 'parked', count(*), NULL FROM (SELECT queue FROM job_parked LIMIT :most) AS few GROUP BY queue
UNION ALL
SELECT queue, 'dependent', count(*), NULL FROM (SELECT queue FROM job_waiting LIMIT :most) AS few GROUP BY queue
""")
_ACTIVE: Final = sql_text("""
SELECT held.queue, count(*) AS jobs
  FROM (SELECT t.queue, unnest(t.ids) AS id FROM job_tickets AS t LIMIT :most) AS held
 CROSS JOIN LATERAL (SELECT FROM jobs WHERE jobs.id = held.id AND jobs.status = 'pending' LIMIT 1) AS unfinished
 GROUP BY held.queue
""")
NOW: Final = sql_text("SELECT now(), (SELECT sum(cardinality(ids)) FROM job_tickets)")
_WORKERS: Final = sql_text(f"""
SELECT name, host, version, queues, types, in_hand, started_at, seen_at,
       NOT {ALIVE} AS silent
  FROM workers ORDER BY seen_at DESC, name LIMIT :most
""")  # noqa: S608 - a constant


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process, as it last reported.

    Attributes:
        version: the version of singr-jobs.
        queues: the queues that it serves.
        types: the job types that it runs.
        in_hand: how many jobs of each queue it was running.
        silent: it has not reported for 7 seconds (35 for a worker of an older release), and is considered gone.
    """

    name: str
    host: str
    version: str
    queues: tuple[str, ...]
    types: tuple[str, ...]
    in_hand: dict[str, int]
    started_at: datetime
    seen_at: datetime
    silent: bool


class QueueStanding(QueueSettings, frozen=True, kw_only=True):
    """A queue: its settings and its state.

    Attributes:
        jobs: how many are in each state: `waiting` (due), `delayed`, `active` (taken by a worker), `parked` (held back
            by their key's limit), `dependent` (waiting for others in their flow).
        counted_at: when they were counted: just now for up to 1,000 jobs, otherwise at the workers' last count.
        oldest_due_at: since when its oldest due job has waited.
        workers: how many processes serve it.
        recent: its activity in the last minutes.
    """

    jobs: dict[str, int]
    counted_at: datetime | None
    oldest_due_at: datetime | None
    workers: int
    recent: RecentFigures


Session: TypeAlias = AsyncSession | KeepsStanding
"""A session of the platform; in tests, an `InMemoryJobs`, which is its own worker."""


async def list_workers(session: Session) -> tuple[WorkerView, ...]:
    """The worker processes that have said something within a day, the latest first; 1,000 at most."""
    if isinstance(session, KeepsStanding):
        return (WorkerView(**session.standing.worker(Queue.declared())),)
    found = await session.execute(_WORKERS, {"most": _MOST_WORKERS})
    return tuple(
        WorkerView(**{**row._mapping, "queues": tuple(row.queues), "types": tuple(row.types)})  # noqa: SLF001 - SQLAlchemy's own name
        for row in found
    )


async def read_queue(session: Session, queue: Queue | str) -> QueueStanding:
    """One queue as it stands; raises QueueUnknownError. Costs the same whatever waits."""
    settings = await read_queue_settings(session, queue)
    [standing] = await _standings(session, [settings], most=EXACT_UP_TO)
    return standing


async def list_queues(session: Session) -> tuple[QueueStanding, ...]:
    """Every queue as it stands."""
    settings = await read_all_queue_settings(session)
    return await _standings(session, settings, most=max(1, 20 * EXACT_UP_TO // max(20, len(settings))))


async def _standings(session: Session, settings: Iterable[QueueSettings], *, most: int) -> tuple[QueueStanding, ...]:
    settings = tuple(settings)
    queues = [str(one.queue) for one in settings]
    counted = await _count(session, queues, most)
    workers = [worker for worker in await list_workers(session) if not worker.silent]
    recent = await recent_figures(session, queues)
    return tuple(
        QueueStanding(
            **{name: getattr(one, name) for name in QueueSettings.__struct_fields__},
            **counted[str(one.queue)]._asdict(),
            workers=sum(str(one.queue) in worker.queues for worker in workers),
            recent=recent[str(one.queue)],
        )
        for one in settings
    )


class _Count(NamedTuple):
    """How many jobs of a queue are in each state, as `QueueStanding` has it."""

    jobs: dict[str, int]
    counted_at: datetime | None
    oldest_due_at: datetime | None


async def _count(session: Session, queues: list[str], most: int) -> dict[str, _Count]:
    if isinstance(session, KeepsStanding):
        found = {queue: session.standing.count(queue) for queue in queues}
        return {queue: _Count(jobs, session.standing.now(), oldest) for queue, (jobs, oldest) in found.items()}
    names = {"queues": queues}
    bound = {**names, "most": most + 1}
    [(now, in_hand)] = (await session.execute(NOW)).all()
    kept: dict[str, dict[str, int]] = {}
    known: dict[str, tuple[datetime, datetime | None]] = {}
    for row in await session.execute(KEPT, names):
        states = kept.setdefault(row.queue, {})
        states[row.state] = states.get(row.state, 0) + row.jobs
        oldest = row.oldest or known.get(row.queue, (None, None))[1]
        known[row.queue] = (row.counted_at, oldest)
    look = _Look(
        kept,
        {row.queue: row for row in await session.execute(_WAITING, bound)},
        _whole(list(await session.execute(_LATER, {"most": most + 1})), most),
        _whole(list(await session.execute(_ACTIVE, {"most": most + 1})) if (in_hand or 0) <= most else None, most),
        [*await session.execute(_APART, {"most": most + 1})],
    )
    told = {}
    for queue in queues:
        counted_at, oldest = known.get(queue, (None, None))
        jobs, oldest, exact = _counted(queue, look, oldest, most)
        told[queue] = _Count(jobs, now if exact else counted_at, oldest)
    return told


class _Look(NamedTuple):
    """What was found of queues: the last count of the workers, and what was counted now; None where it is too much."""

    kept: Mapping[str, Mapping[str, int]]
    waiting: Mapping[str, Any]
    later: Mapping[str, int] | None
    active: Mapping[str, int] | None
    apart: Sequence[Any]


def _counted(
    queue: str, look: _Look, oldest: datetime | None, most: int
) -> tuple[dict[str, int], datetime | None, bool]:
    """How many jobs are in each state, since when the oldest is due, and whether all of it is so now."""
    jobs, exact = {"waiting": 0, "delayed": 0, "active": 0, **look.kept.get(queue, {})}, True
    waiting = look.waiting[queue]
    if waiting.jobs <= most:
        jobs["waiting"], oldest = waiting.jobs, waiting.oldest
    else:
        exact, jobs["waiting"] = False, max(jobs["waiting"], waiting.jobs)
        oldest = oldest or waiting.oldest
    for state, found in (("delayed", look.later), ("active", look.active)):
        if found is None:
            exact = exact and not jobs[state]
        else:
            jobs[state] = found.get(queue, 0)
    if sum(row.jobs for row in look.apart) > most:
        return jobs, oldest, False
    jobs = {state: count for state, count in jobs.items() if state not in {"parked", "dependent"}}
    for row in look.apart:
        if row.queue == queue:
            jobs[row.state] = jobs.get(row.state, 0) + row.jobs
            if row.state == "waiting":
                oldest = min(filter(None, (oldest, row.oldest)))
    return jobs, oldest, exact


def _whole(rows: list[Any] | None, most: int) -> Mapping[str, int] | None:
    """The counts by queue; None where there were more than were counted."""
    if rows is None or sum(row.jobs for row in rows) > most:
        return None
    return {row.queue: row.jobs for row in rows}
