"""Standing work as operators steer it: seen, paused, resumed, and run at once, within the caller's transaction.

    await pause_standing_work(session, "retention.clean", reason="an export is under way")

Processes hear of it within ten seconds; a turn that is under way ends. What must never be paused (leases, sweeping,
dispatch, partitions) is no standing work.
"""

from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from singr_db._errors import SingrDbError
from singr_db._statements import sql_text
from singr_db.operation_log import checked_reason, log_operation

__all__ = [
    "StandingPause",
    "StandingWorkUnknownError",
    "StandingWorkView",
    "list_standing_work",
    "pause_standing_work",
    "resume_standing_work",
    "run_standing_work",
]

# A worker that has said nothing for so long is gone.
_ALIVE: Final = "worker.seen_at > now() - interval '35 seconds'"
_LIST: Final = sql_text(f"""
SELECT turn.name, max(every) AS every, max(began_at) AS last_run_at,
       (array_agg(seconds ORDER BY began_at DESC NULLS LAST))[1] AS seconds,
       CASE WHEN max(work.paused_at) IS NULL THEN min(next_at) FILTER (WHERE {_ALIVE}) END AS next_at,
       max(failed_at) AS failed_at, (array_agg(error ORDER BY failed_at DESC NULLS LAST))[1] AS error,
       count(*) FILTER (WHERE {_ALIVE}) AS processes, max(work.paused_at) AS paused_at,
       max(work.paused_by) AS paused_by, max(work.paused_for) AS paused_for,
       CASE WHEN max(began_at) >= max(work.asked_at) THEN NULL ELSE max(work.asked_at) END AS asked_at
  FROM standing_turns AS turn
  LEFT JOIN standing_work AS work ON work.name = turn.name
  LEFT JOIN workers AS worker ON worker.name = turn.process
 GROUP BY turn.name ORDER BY turn.name
""")  # noqa: S608 - a constant
_PAUSE: Final = sql_text("""
INSERT INTO standing_work AS known (name, paused_at, paused_by, paused_for) VALUES (:name, now(), :by, :reason)
ON CONFLICT (name) DO UPDATE SET paused_at = now(), paused_by = excluded.paused_by, paused_for = excluded.paused_for
 WHERE known.paused_at IS NULL
""")
_RESUME: Final = sql_text(
    "UPDATE standing_work SET paused_at = NULL, paused_by = NULL, paused_for = NULL WHERE name = :name"
)
_RUN: Final = sql_text("""
INSERT INTO standing_work (name, asked_at) VALUES (:name, now()) ON CONFLICT (name) DO UPDATE SET asked_at = now()
""")


class StandingWorkUnknownError(SingrDbError):
    """No worker does standing work of this name; says which there is."""


class StandingPause(msgspec.Struct, frozen=True, kw_only=True):
    """Since when it has been paused, by whom, and why."""

    since: datetime
    by: str | None
    reason: str | None


class StandingWorkView(msgspec.Struct, frozen=True, kw_only=True):
    """A periodic task that every worker process runs besides jobs.

    Attributes:
        every: seconds from the end of one run to the next.
        processes: how many live worker processes run it.
        last_run_at: when its last run started, in any process.
        seconds: how long that took.
        next_at: when a process runs it next; null while it is paused.
        failed_at: when a run last failed.
        error: why, in words.
        paused: null if it is not paused.
        asked_at: since when an immediate run has been requested that no process has reported yet.
    """

    name: str
    every: float
    processes: int
    last_run_at: datetime | None
    seconds: float | None
    next_at: datetime | None
    failed_at: datetime | None
    error: str | None
    paused: StandingPause | None
    asked_at: datetime | None


async def list_standing_work(session: AsyncSession) -> tuple[StandingWorkView, ...]:
    """All standing work that any worker process has told of within a week, by name."""
    return tuple(_view(row) for row in await session.execute(_LIST))


async def pause_standing_work(
    session: AsyncSession, name: str, *, reason: str | None = None, by: str | None = None
) -> StandingWorkView:
    """Begin no turn until it is resumed, unless one is asked for; one that is paused stays as it is.

    Args:
        session: a session of `Database.platform()` with its transaction open.
        name: such as `retention.clean`.
        reason: why, for whoever wonders, in one line.
        by: who, for the same.

    Raises:
        StandingWorkUnknownError: no worker does this.
        ReasonError: the reason is no line of at most 1,000 characters.
    """
    return await _change(session, "pause", name, _PAUSE, reason=checked_reason(reason), by=by)


async def resume_standing_work(session: AsyncSession, name: str) -> StandingWorkView:
    """Let it have its turns again. Raises StandingWorkUnknownError."""
    return await _change(session, "resume", name, _RESUME)


async def run_standing_work(session: AsyncSession, name: str) -> StandingWorkView:
    """Ask for a turn at once, also of what is paused: processes hear of it within ten seconds. Raises likewise."""
    return await _change(session, "run", name, _RUN)


async def _change(session: AsyncSession, what: str, name: str, statement: Any, **values: Any) -> StandingWorkView:
    before = await _one(session, name)
    await session.execute(statement, {"name": name, **values})
    after = await _one(session, name)
    was, now = ({"paused": view.paused, "asked_at": view.asked_at} for view in (before, after))
    await log_operation(session, f"standing_work.{what}", name, before=was, after=now, reason=values.get("reason"))
    return after


async def _one(session: AsyncSession, name: str) -> StandingWorkView:
    every = await list_standing_work(session)
    for view in every:
        if view.name == name:
            return view
    raise StandingWorkUnknownError(f"no worker does this; there is {', '.join(view.name for view in every) or 'none'}")


def _view(row: Any) -> StandingWorkView:
    names = [name for name in StandingWorkView.__struct_fields__ if name != "paused"]
    paused = None
    if row.paused_at is not None:
        paused = StandingPause(since=row.paused_at, by=row.paused_by, reason=row.paused_for)
    return StandingWorkView(**{name: getattr(row, name) for name in names}, paused=paused)
