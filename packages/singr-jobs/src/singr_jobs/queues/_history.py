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
MOST_LOOKED_AT: Final = 2_000
"""So many rows, of a type and a minute each, are looked at for what was done by type."""
_MOST_TYPES: Final = 100
# How PostgreSQL sends an array: a head, and then of each number its length (4) and itself.
_HEAD: Final = 20
_PAIRS: Final = Struct(f">{BUCKETS}Q")

_FIGURES: Final = "completed, retried, failed, array_send(waits) AS waits, array_send(runs) AS runs"
_EACH_MINUTE: Final = (
    "generate_series(date_trunc('minute', now()), date_trunc('minute', now()) - :minutes * interval '1 minute',"
    " interval '-1 minute') AS minute"
)
# By whole keys.
_OF_QUEUES: Final = sql_text(f"""
SELECT done.* FROM {_EACH_MINUTE} CROSS JOIN unnest(CAST(:queues AS text[])) AS asked (queue)
 CROSS JOIN LATERAL (
    SELECT minute, queue, {_FIGURES} FROM queue_minutes AS work
     WHERE work.minute = minute.minute AND work.queue = asked.queue) AS done
""")  # noqa: S608 - constants
_OF_TYPE: Final = sql_text(f"""
SELECT done.* FROM {_EACH_MINUTE} CROSS JOIN LATERAL (
    SELECT minute, type, {_FIGURES} FROM work_minutes AS work
     WHERE work.minute = minute.minute AND work.queue = :queue AND work.type = :type) AS done
""")  # noqa: S608 - constants
# Backwards, as far as so many rows go, and whole minutes of these; of each, types beyond so many are not looked at.
_OF_TYPES: Final = sql_text(f"""
WITH looked AS MATERIALIZED (
    SELECT done.* FROM {_EACH_MINUTE} CROSS JOIN LATERAL (
        SELECT minute, type, {_FIGURES} FROM work_minutes AS work
         WHERE work.minute = minute.minute AND work.queue = :queue
         ORDER BY work.type LIMIT {_MOST_TYPES}) AS done
     LIMIT :most
), back_to AS (
    SELECT CASE WHEN count(*) = :most THEN min(minute) + interval '1 minute' END AS since FROM looked
)
SELECT back_to.since, type, sum(completed)::integer AS completed, sum(retried)::integer AS retried,
       sum(failed)::integer AS failed, string_agg(waits, '') AS waits, string_agg(runs, '') AS runs
  FROM looked CROSS JOIN back_to WHERE back_to.since IS NULL OR minute >= back_to.since
 GROUP BY back_to.since, type
""")  # noqa: S608 - constants
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
    """A queue's recent activity: five full minutes, and the current one so far.

    Attributes:
        per_minute: how many attempts succeeded per minute in that time.
    """

    since: datetime
    per_minute: float


class MinuteFigures(Figures, frozen=True, kw_only=True):
    """The figures of one minute."""

    minute: datetime


class TypeFigures(Figures, frozen=True, kw_only=True):
    """The figures of one type over the whole time."""

    type: str


class QueueHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A queue's activity minute by minute, oldest first, and by type.

    Attributes:
        since: the beginning of the first minute.
        until: the present: the last minute is still incomplete, and workers record their activity within ten seconds.
        minutes: every minute, including those without activity.
        types: by type since `types_since`, the most time-consuming first; at most 100 types per minute.
        types_since: usually the same as `since`; later if there are too many types to go back that far.
    """

    queue: str
    since: datetime
    until: datetime
    minutes: tuple[MinuteFigures, ...]
    types: tuple[TypeFigures, ...]
    types_since: datetime


def _summed(arrays: Sequence[bytes] | Sequence[list[int]]) -> Sequence[int]:
    """Add up arrays as PostgreSQL sends them, several behind one another where they were gathered there.

    Each is taken for one long number, so that all of its buckets are added at once: thousands of rows in moments. What
    a sum of numbers carries goes into the sum of their lengths, which is known.
    """
    if arrays and isinstance(arrays[0], list):  # of jobs in memory
        return [*map(sum, zip(*arrays, strict=True))]
    sent = b"".join(arrays)  # type: ignore[arg-type]  # not lists
    size = _HEAD + _PAIRS.size
    total = sum(int.from_bytes(sent[at + _HEAD : at + size], "big") for at in range(0, len(sent), size))
    lengths = (4 * (len(sent) // size)) << 32
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
    since, until, by_minute, by_type, types_since = await _looked_at(session, found.value, minutes - 1, job_type)
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
        types_since=types_since,
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
    which = {"queues": list(found), "minutes": RECENT_MINUTES}
    if isinstance(session, KeepsStanding):
        since, done = session.standing.minutes({**which, "type": None})
        until = session.standing.now()
    else:
        since, until = await _span(session, RECENT_MINUTES)
        done = list(await session.execute(_OF_QUEUES, which))
    for row in done:
        found[row.queue].append(row)
    over = (until - since).total_seconds() / 60
    told = {queue: _told(rows) for queue, rows in found.items()}
    return {
        queue: RecentFigures(since=since, per_minute=round(figures["completed"] / over, 2), **figures)
        for queue, figures in told.items()
    }


async def _span(session: AsyncSession, minutes: int) -> tuple[datetime, datetime]:
    [(since, until)] = (await session.execute(_SINCE, {"minutes": minutes})).all()
    return since, until


async def _looked_at(
    session: AsyncSession | KeepsStanding, queue: str, minutes: int, job_type: str | None
) -> tuple[datetime, datetime, dict[datetime, list[Any]], dict[str, list[Any]], datetime]:
    """The beginning and the end of that time; what was done by minute, and by type, and since when the latter."""
    which = {"queues": [queue], "queue": queue, "minutes": minutes, "type": job_type}
    if isinstance(session, KeepsStanding):
        since, rows = session.standing.minutes(which)
        return since, session.standing.now(), _by(rows, "minute"), _by(rows, "type"), since
    since, until = await _span(session, minutes)
    if job_type is not None:
        rows = list(await session.execute(_OF_TYPE, which))
        return since, until, _by(rows, "minute"), _by(rows, "type"), since
    rows = list(await session.execute(_OF_QUEUES, which))
    types = list(await session.execute(_OF_TYPES, {**which, "most": MOST_LOOKED_AT}))
    back_to = types[0].since if types else None
    return since, until, _by(rows, "minute"), _by(types, "type"), back_to or since


def _by(rows: Sequence[Any], name: str) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for row in rows:
        found.setdefault(getattr(row, name), []).append(row)
    return found
