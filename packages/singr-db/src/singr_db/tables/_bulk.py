"""Bulk actions: what is done to many jobs or dead letters, bite by bite."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, Json, SmallInt, one_of


class BulkState(StrEnum):
    """Whether what it concerns is counted yet, is being done, is done, or was stopped by somebody."""

    COUNTING = "counting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class BulkKind(StrEnum):
    """What is done: the first two to dead letters, the others to jobs."""

    REQUEUE = "requeue"
    DISCARD = "discard"
    CANCEL = "cancel"
    REPRIORITIZE = "reprioritize"


class BulkAction(Base):
    """One action on all that fitted a filter at `asked_at`; without an organization, on all organizations'.

    Where `types` are told, it leaves jobs of others alone, whatever the filter says.
    It goes through ids upwards and has come to `at_id`; whoever takes the next bite locks the row. `matching` is how
    many fit, as far as they are counted, `done` to how many it was done, `skipped` to how many it could not be.
    """

    __tablename__ = "bulk_actions"
    __table_args__ = (
        one_of("state", BulkState),
        one_of("action", BulkKind),
        CheckConstraint("(action = 'reprioritize') = (priority IS NOT NULL)", name="priority"),
        CheckConstraint("rate_per_minute > 0", name="rate"),
        Index("bulk_actions_by_organization", "organization_id", "id"),
        Index("bulk_actions_due", "next_at", postgresql_where=text("state IN ('counting', 'running')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID | None]
    action: Mapped[str]
    filter: Mapped[Json]
    types: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    priority: Mapped[SmallInt | None]
    rate_per_minute: Mapped[int | None]
    reason: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="counting")
    matching: Mapped[int] = mapped_column(server_default=text("0"))
    done: Mapped[int] = mapped_column(server_default=text("0"))
    skipped: Mapped[int] = mapped_column(server_default=text("0"))
    problems: Mapped[Json] = mapped_column(server_default=text("'[]'"))
    at_id: Mapped[UUID | None]
    next_at: Mapped[CreatedAt]
    asked_by: Mapped[str | None]
    asked_at: Mapped[CreatedAt]
    stopped_by: Mapped[str | None]
    finished_at: Mapped[datetime | None]


class FirstPriority(Base):
    """The priority that a job came with, where somebody changed it: its first answer tells of that (decision 57)."""

    __tablename__ = "first_priorities"
    __table_args__ = (Index("ix_first_priorities_changed_at", "changed_at"),)

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    priority: Mapped[SmallInt]
    changed_at: Mapped[CreatedAt]
