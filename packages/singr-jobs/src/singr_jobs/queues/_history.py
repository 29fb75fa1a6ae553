"""What was done in a queue in the last minutes, as its workers wrote it down (decision 78)."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db import sql_text
from singr_jobs._plain import shown
from singr_jobs.declare._types import Queue
from singr_jobs.minutes._buckets import BUCKETS, percentile
from singr_jobs.queues._settings import QueueSettingError
from singr_jobs.queues._store import known_queue

RECENT_MINUTES: Final = 5
HISTORY_MINUTES: Final = 60
LONGEST_HISTORY: Final = 360
_MOST_TYPES: Final = 100

# Minute by minute, by whole keys; and of each, types beyond so many are not looked at.
_MINUTES: Final = sql_text(f"""
SELECT minute, done.*
  FROM generate_series(date_trunc('minute', now()) - :minutes * interval '1 minute', now(), interval '1 minute')
       AS minute
 CROSS JOIN LATERAL (
    SELECT queue, type, completed, retried, failed, waits, runs FROM work_minutes AS work
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


class _Sum:
    """What was done, added up."""

    def __init__(self) -> None:
        self.completed = self.retried = self.failed = 0
        self.waits, self.runs = [0] * BUCKETS, [0] * BUCKETS

    def add(self, row: Any) -> None:
        self.completed += row.completed
        self.retried += row.retried
        self.failed += row.failed
        self.waits = [known + more for known, more in zip(self.waits, row.waits, strict=True)]
        self.runs = [known + more for known, more in zip(self.runs, row.runs, strict=True)]

    def told(self) -> dict[str, Any]:
        return {
            "taken": sum(self.waits),
            **{name: getattr(self, name) for name in ("completed", "retried", "failed")},
            **{
                f"{what}_p{part}": percentile(counts, part / 100)
                for what, counts in (("wait", self.waits), ("run", self.runs))
                for part in (50, 95)
            },
        }


async def read_queue_history(
    session: AsyncSession, queue: Queue | str, *, minutes: int = HISTORY_MINUTES, job_type: str | None = None
) -> QueueHistory:
    """What was done in a queue in so many minutes and what has gone by of this one.

    Args:
        session: a session of `Database.platform()`.
        queue: which one.
        minutes: how many: 1 to 360.
        job_type: what was done of this type alone.

    Raises:
        QueueUnknownError: there is no such queue; says which there are.
        QueueSettingError: so many minutes cannot be told.
    """
    if not 1 <= minutes <= LONGEST_HISTORY:
        raise QueueSettingError("minutes", f"must be 1 to {LONGEST_HISTORY}, not {shown(minutes)}")
    found = await known_queue(session, queue)
    [(since, until)] = (await session.execute(_SINCE, {"minutes": minutes - 1})).all()
    by_minute: dict[datetime, _Sum] = {}
    by_type: dict[str, _Sum] = {}
    which = {"queues": [found.value], "minutes": minutes - 1, "type": job_type}
    for row in await session.execute(_MINUTES, which):
        by_minute.setdefault(row.minute, _Sum()).add(row)
        by_type.setdefault(row.type, _Sum()).add(row)
    nothing = _Sum()
    types = [TypeFigures(type=name, **done.told()) for name, done in by_type.items()]
    return QueueHistory(
        queue=found.value,
        since=since,
        until=until,
        minutes=tuple(
            MinuteFigures(minute=at, **by_minute.get(at, nothing).told())
            for at in (since + timedelta(minutes=number) for number in range(minutes))
        ),
        types=tuple(sorted(types, key=lambda one: (-one.taken * (one.run_p50 or 0.0), one.type))),
    )


async def recent_figures(session: AsyncSession, queues: Iterable[str]) -> Mapping[str, RecentFigures]:
    """What was done of late in each of these queues."""
    sums = {queue: _Sum() for queue in queues}
    [(since, until)] = (await session.execute(_SINCE, {"minutes": RECENT_MINUTES})).all()
    which = {"queues": list(sums), "minutes": RECENT_MINUTES, "type": None}
    for row in await session.execute(_MINUTES, which):
        sums[row.queue].add(row)
    over = (until - since).total_seconds() / 60
    return {
        queue: RecentFigures(since=since, per_minute=round(done.completed / over, 2), **done.told())
        for queue, done in sums.items()
    }
