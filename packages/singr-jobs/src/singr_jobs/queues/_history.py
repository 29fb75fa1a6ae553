"""What was done in a queue in the last minutes, as its workers wrote it down (decision 78)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from struct import Struct
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import sql_text
from singr_jobs.declare._checks import check_whole
from singr_jobs.declare._job_types import check_name
from singr_jobs.declare._types import Queue
from singr_jobs.minutes._buckets import BUCKETS, percentile
from singr_jobs.queues._memory_standing import KeepsStanding
from singr_jobs.queues._settings import QueueSettingError
from singr_jobs.queues._store import known_queue

RECENT_MINUTES: Final = 5
HISTORY_MINUTES: Final = 60
LONGEST_HISTORY: Final = 180
_MOST_TYPES: Final = 100
_HEAD: Final = 20
_PAIRS: Final = Struct(f">{BUCKETS}Q")

# Minute by minute, by whole keys; and of each, types beyond so many are not looked at.
_MINUTES: Final = sql_text(f"""
SELECT minute, done.*
  FROM generate_series(date_trunc('minute', now()) - :minutes * interval '1 minute', now(), interval '1 minute')
       AS minute
 CROSS JOIN LATERAL (
    SELECT queue, type, completed, retried, failed, array_send(waits) AS waits, array_send(runs) AS runs
      FROM work_minutes AS work
     WHERE work.minute = minute.minute AND work.queue = ANY (CAST(:queues AS text[]))
       AND (CAST(:type AS text) IS NULL OR work.type = :type)
     ORDER BY work.queue, work.type LIMIT {_MOST_TYPES}) AS done
""")  # noqa: S608 - a constant
_SINCE: Final = sql_text("""
SELECT date_trunc('minute', now()) - :minutes * interval '1 minute' AS since, now() AS until
""")


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How attempts went, and how long they took: seconds, half of them and 95 of 100 no longer than that.

    Attributes:
        taken: how many began.
        completed: how many did what they should.
        retried: how many did not, so that their job is tried again.
        failed: how many did not, and were their job's last.
        wait_p50: how long a job was due before it began; null where none did.
        run_p50: how long an attempt took; null where none ended.
    """

    taken: int
    completed: int
    retried: int
    failed: int
    wait_p50: float | None
    wait_p95: float | None
    run_p50: float | None
    run_p95: float | None


class RecentFigures(Figures, frozen=True, kw_only=True):
    """What was done in a queue of late: five whole minutes, and what has gone by of this one.

    Attributes:
        per_minute: how many attempts ended well, in a minute of that time.
    """

    since: datetime
    per_minute: float


class MinuteFigures(Figures, frozen=True, kw_only=True):
    """What was done in one minute."""

    minute: datetime


class TypeFigures(Figures, frozen=True, kw_only=True):
    """What was done of one type in the whole time."""

    type: str


class QueueHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What was done in a queue, minute by minute, the latest last, and by type.

    Attributes:
        since: the beginning of the first minute.
        until: now: the last minute is not over, and workers write what they did within ten seconds.
        minutes: each of them, also those in which nothing was done.
        types: of the whole time, what took the most of it first; 100 types a minute at most.
    """

    queue: str
    since: datetime
    until: datetime
    minutes: tuple[MinuteFigures, ...]
    types: tuple[TypeFigures, ...]


def _summed(arrays: Sequence[bytes] | Sequence[list[int]]) -> Sequence[int]:
    """Add up arrays as PostgreSQL sends them: behind a head, the length of each number (4) and the number.

    Each array is taken for one long number, so that all of its buckets are added at once: thousands of rows in moments.
    What a sum of numbers carries goes into the sum of their lengths, which is known.
    """
    if arrays and isinstance(arrays[0], list):  # of jobs in memory
        return [*map(sum, zip(*arrays, strict=True))]
    total = sum(int.from_bytes(array[_HEAD:], "big") for array in arrays)
    lengths = (4 * len(arrays)) << 32
    return tuple(pair - lengths for pair in _PAIRS.unpack(total.to_bytes(_PAIRS.size, "big")))


def _told(rows: Sequence[Any]) -> dict[str, Any]:
    """What was done, added up."""
    waits, runs = _summed([row.waits for row in rows]), _summed([row.runs for row in rows])
    return {
        "taken": sum(waits),
        **{name: sum(getattr(row, name) for row in rows) for name in ("completed", "retried", "failed")},
        **{
            f"{what}_p{part}": percentile(counts, part / 100)
            for what, counts in (("wait", waits), ("run", runs))
            for part in (50, 95)
        },
    }


async def read_queue_history(
    session: AsyncSession | KeepsStanding,
    queue: Queue | str,
    *,
    minutes: int = HISTORY_MINUTES,
    job_type: str | None = None,
) -> QueueHistory:
    """What was done in a queue in so many minutes and what has gone by of this one.

    Args:
        session: a session of `Database.platform()`; in tests, an `InMemoryJobs`.
        queue: which one.
        minutes: how many: 1 to 180.
        job_type: what was done of this type alone.

    Raises:
        QueueUnknownError: there is no such queue; says which there are.
        QueueSettingError: so many minutes cannot be told, or nothing can be called like the type; names the field.
    """
    _check(minutes, job_type)
    found = await known_queue(session, queue)
    by_minute: dict[datetime, list[Any]] = {}
    by_type: dict[str, list[Any]] = {}
    which = {"queues": [found.value], "minutes": minutes - 1, "type": job_type}
    since, until, rows = await _done(session, which)
    for row in rows:
        by_minute.setdefault(row.minute, []).append(row)
        by_type.setdefault(row.type, []).append(row)
    types = [TypeFigures(type=name, **_told(rows)) for name, rows in by_type.items()]
    return QueueHistory(
        queue=found.value,
        since=since,
        until=until,
        minutes=tuple(
            MinuteFigures(minute=at, **_told(by_minute.get(at, ())))
            for at in (since + timedelta(minutes=number) for number in range(minutes))
        ),
        types=tuple(sorted(types, key=lambda one: (-one.taken * (one.run_p50 or 0.0), one.type))),
    )


def _check(minutes: object, job_type: object) -> None:
    """Raise QueueSettingError where there can be no such history."""
    try:
        check_whole("minutes", minutes, least=1, most=LONGEST_HISTORY)
    except ValueError as error:
        raise QueueSettingError("minutes", str(error).removeprefix("minutes ")) from None
    try:
        if job_type is not None:
            check_name(job_type)
    except ValueError as error:
        raise QueueSettingError("job_type", f"must be the name of a job type: {error}") from None


async def recent_figures(session: AsyncSession | KeepsStanding, queues: Iterable[str]) -> Mapping[str, RecentFigures]:
    """What was done of late in each of these queues."""
    found: dict[str, list[Any]] = {queue: [] for queue in queues}
    which = {"queues": list(found), "minutes": RECENT_MINUTES, "type": None}
    since, until, done = await _done(session, which)
    for row in done:
        found[row.queue].append(row)
    over = (until - since).total_seconds() / 60
    told = {queue: _told(rows) for queue, rows in found.items()}
    return {
        queue: RecentFigures(since=since, per_minute=round(figures["completed"] / over, 2), **figures)
        for queue, figures in told.items()
    }


async def _done(session: AsyncSession | KeepsStanding, which: dict[str, Any]) -> tuple[datetime, datetime, list[Any]]:
    """The beginning and the end of that time, and what was done in it."""
    if isinstance(session, KeepsStanding):
        since, rows = session.standing.minutes(which)
        return since, session.standing.now(), rows
    [(since, until)] = (await session.execute(_SINCE, {"minutes": which["minutes"]})).all()
    return since, until, list(await session.execute(_MINUTES, which))
