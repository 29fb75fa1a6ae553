"""Schedules and their fires as their organization sees them."""

from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

import msgspec

from singr_jobs.schedules._plan import Stored

ScheduleState: TypeAlias = Literal["active", "paused", "ended"]
FireOutcome: TypeAlias = Literal["fired", "asked", "skipped", "missed", "refused"]


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as its organization sees it; times are in UTC, durations in seconds.

    `problem` says why it was paused automatically: its request can no longer become a job.
    """

    id: UUID
    organization_id: UUID
    name: str
    state: ScheduleState
    type: str
    cron: str | None = None
    time_zone: str | None = None
    every: float | None = None
    at: datetime | None = None
    in_words: str
    starts: datetime | None = None
    ends: datetime | None = None
    jitter: float = 0
    missed: Literal["latest", "skip", "all"] = "latest"
    missed_within: float
    overlap: Literal["skip", "queue", "cancel_running"] = "skip"
    pause_after: int | None = None
    next_fire_at: datetime | None = None
    last_fire_at: datetime | None = None
    last_job_id: UUID | None = None
    problem: str | None = None
    created_at: datetime
    updated_at: datetime


class FireView(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one time of a schedule: a job (`fired`, or `asked` if requested by somebody), or none, and why.

    `skipped`: a job of an earlier time was unfinished. `missed`: no worker was running. `refused`: it cannot become a
    job. `until` is the last of several times with the same outcome.
    """

    id: UUID
    fire_at: datetime
    outcome: FireOutcome
    until: datetime | None = None
    job_id: UUID | None = None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """When a schedule would fire: in English, and its next times."""

    in_words: str
    next_fires: list[datetime]


def schedule_view(row: Any) -> ScheduleView:
    """A schedule as its organization sees it, from anything with the columns of its row as attributes."""
    stored = Stored.of(row)
    same = {name: getattr(row, name) for name in ScheduleView.__struct_fields__ if hasattr(row, name)}
    return ScheduleView(
        **{
            **same,
            "in_words": words_of(stored),
            "at": stored.once_at,
            "starts": stored.starts_at,
            "ends": stored.ends_at,
        }
    )


def words_of(stored: Stored) -> str:
    """The schedule's times in English, whatever an earlier version stored: it must not hide the schedule."""
    try:
        return stored.when.in_words
    except Exception:  # noqa: BLE001 - see above
        return stored.cron or "at times that this release does not know"
