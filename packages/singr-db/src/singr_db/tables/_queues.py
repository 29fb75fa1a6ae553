"""What operators have set for queues, how many jobs are in them, and which workers serve them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, Json


class QueueSetting(Base):
    """What is set for a queue, or for one organization in it; what is null is as the environment says.

    Operators' own: no tenant sees or changes it. A row in which nothing is set is deleted, and while a queue has any,
    its gate is `ruled`. `concurrency` is of jobs in hand over all processes, a `rate` of so many in so many seconds;
    `concurrency_per_organization` is the queue's, `weight` an organization's.
    """

    __tablename__ = "queue_settings"
    __table_args__ = (
        UniqueConstraint("queue", "for_organization", postgresql_nulls_not_distinct=True),
        CheckConstraint("concurrency >= 1 AND concurrency_per_organization >= 1", name="concurrency"),
        CheckConstraint("num_nulls(rate_count, rate_seconds) IN (0, 2)", name="whole_rate"),
        CheckConstraint("rate_count >= 1 AND rate_seconds > 0", name="rate"),
        CheckConstraint("weight BETWEEN 1 AND 1000", name="weight"),
        CheckConstraint("for_organization IS NOT NULL OR weight IS NULL", name="weight_of_organization"),
        CheckConstraint("for_organization IS NULL OR concurrency_per_organization IS NULL", name="each_of_queue"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    queue: Mapped[str]
    for_organization: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    paused_at: Mapped[datetime | None]
    paused_by: Mapped[str | None]
    paused_for: Mapped[str | None]
    concurrency: Mapped[int | None]
    concurrency_per_organization: Mapped[int | None]
    rate_count: Mapped[int | None]
    rate_seconds: Mapped[float | None]
    weight: Mapped[int | None]
    updated_at: Mapped[CreatedAt]


class QueueCount(Base):
    """How many jobs of a type are in a state, by the last count; `oldest`: since when the queue's oldest is due."""

    __tablename__ = "queue_counts"
    __table_args__ = (PrimaryKeyConstraint("queue", "state", "type"),)

    queue: Mapped[str]
    state: Mapped[str]
    type: Mapped[str]
    jobs: Mapped[int] = mapped_column(BigInteger)
    oldest: Mapped[datetime | None]
    counted_at: Mapped[CreatedAt]


class WorkMinute(Base):
    """What was done in a minute for one type of a queue: how attempts ended, and how long they waited and ran.

    Times are counted in buckets (`singr_jobs.minutes`); all workers add to the same row.
    """

    __tablename__ = "work_minutes"
    __table_args__ = (PrimaryKeyConstraint("minute", "queue", "type"),)

    minute: Mapped[datetime]
    queue: Mapped[str]
    type: Mapped[str]
    completed: Mapped[int]
    retried: Mapped[int]
    failed: Mapped[int]
    waits: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    runs: Mapped[list[int]] = mapped_column(ARRAY(Integer))


class QueueMinute(Base):
    """What was done in a minute in a queue, all its types together: a trigger of `work_minutes` adds it up."""

    __tablename__ = "queue_minutes"
    __table_args__ = (PrimaryKeyConstraint("minute", "queue"),)

    minute: Mapped[datetime]
    queue: Mapped[str]
    completed: Mapped[int]
    retried: Mapped[int]
    failed: Mapped[int]
    waits: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    runs: Mapped[list[int]] = mapped_column(ARRAY(Integer))


class WorkerProcess(Base):
    """A worker process, as it says of itself every few seconds; one that stops takes its row away."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    version: Mapped[str]
    queues: Mapped[list[str]] = mapped_column(ARRAY(Text))
    types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    in_hand: Mapped[Json]
    started_at: Mapped[CreatedAt]
    seen_at: Mapped[CreatedAt]
    says_every: Mapped[float] = mapped_column(server_default=text("10"))


class StandingWork(Base):
    """What operators have set for a chore: it is paused, or a turn at once is asked for."""

    __tablename__ = "standing_work"

    name: Mapped[str] = mapped_column(primary_key=True)
    paused_at: Mapped[datetime | None]
    paused_by: Mapped[str | None]
    paused_for: Mapped[str | None]
    asked_at: Mapped[datetime | None]


class StandingTurn(Base):
    """How a chore's last turn went in one process, as that says of itself every few seconds."""

    __tablename__ = "standing_turns"

    name: Mapped[str] = mapped_column(primary_key=True)
    process: Mapped[str] = mapped_column(primary_key=True)
    every: Mapped[float]
    began_at: Mapped[datetime | None]
    seconds: Mapped[float | None]
    next_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None]
    seen_at: Mapped[CreatedAt]
