"""Schedules, and the times at which they fired."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, Json, SmallInt, one_of


class ScheduleState(StrEnum):
    """Whether a schedule fires, rests until it is resumed, or has no times left."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class MissedRuns(StrEnum):
    """What becomes of times that passed while nobody could fire."""

    LATEST = "latest"
    SKIP = "skip"
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a time that comes while a job of the one before is unfinished."""

    SKIP = "skip"
    QUEUE = "queue"
    CANCEL_RUNNING = "cancel_running"


class FireOutcome(StrEnum):
    """What became of a time: a job, by itself or because somebody asked for it; or none, and why."""

    FIRED = "fired"
    ASKED = "asked"
    SKIPPED = "skipped"
    MISSED = "missed"
    REFUSED = "refused"


class Schedule(Base):
    """What becomes a job at its times: `job` as it is stored, or the sealed `request` of a caller; durations in s.

    `due_at` is when a worker looks at it next: `next_fire_at` and what jitter adds to it (`late_by`), or sooner where
    somebody asked for a run (`asked_at`), or later while the job before is unfinished (since `held_at`). `rules` is the
    release of the zones' rules that `next_fire_at` was reckoned by. After `pause_after` jobs in a row that failed it is
    paused.
    """

    __tablename__ = "schedules"
    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        one_of("state", ScheduleState),
        one_of("missed", MissedRuns),
        one_of("overlap", Overlap),
        CheckConstraint("num_nonnulls(cron, every, once_at) = 1", name="one_rule"),
        CheckConstraint("num_nonnulls(job, request) = 1", name="one_source"),
        CheckConstraint("pause_after BETWEEN 1 AND 20", name="pause_after"),
        Index("schedules_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("schedules_by_organization", "organization_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="active")
    cron: Mapped[str | None]
    time_zone: Mapped[str | None]
    every: Mapped[float | None]
    once_at: Mapped[datetime | None]
    anchor_at: Mapped[datetime]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    jitter: Mapped[float] = mapped_column(server_default=text("0"))
    missed: Mapped[str] = mapped_column(server_default="latest")
    missed_within: Mapped[float]
    overlap: Mapped[str] = mapped_column(server_default="skip")
    pause_after: Mapped[SmallInt | None]
    type: Mapped[str]
    job: Mapped[Json | None]
    request: Mapped[bytes | None]
    created_by: Mapped[str | None]
    rules: Mapped[str | None]
    next_fire_at: Mapped[datetime | None]
    late_by: Mapped[float] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]
    held_at: Mapped[datetime | None]
    last_fire_at: Mapped[datetime | None]
    last_job_id: Mapped[UUID | None]
    problem: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]


class ScheduleFire(Base):
    """That a schedule met one of its times, which therefore is met by nobody else; `until` ends a row of such times."""

    __tablename__ = "schedule_fires"
    __table_args__ = (
        PrimaryKeyConstraint("schedule_id", "fire_at"),
        one_of("outcome", FireOutcome),
        Index("schedule_fires_by_id", "schedule_id", "id"),
        Index("schedule_fires_with_job", "schedule_id", "fire_at", postgresql_where=text("job_id IS NOT NULL")),
        Index("ix_schedule_fires_created_at", "created_at"),
    )

    schedule_id: Mapped[UUID]
    fire_at: Mapped[datetime]
    id: Mapped[UUID] = mapped_column(default=new_id)
    organization_id: Mapped[UUID]
    outcome: Mapped[str]
    until: Mapped[datetime | None]
    job_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
