"""Flows, what waits for what in them, and the members that wait for others."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Computed, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, SmallInt, one_of


class FlowState(StrEnum):
    """Where a flow stands; reckoned by the table itself from what it counts."""

    OPEN = "open"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class OnFailure(StrEnum):
    """What a failed member means: its flow stands until that is settled, or it goes on regardless."""

    STOP = "stop"
    CONTINUE = "continue"


class Flow(Base):
    """Jobs that belong together, its members: how many there are, and how many ended how.

    `completion_job_id` is the member that runs once all others have ended. `closed_at`: since when none is added;
    `cancelled_at`: since when what has not ended is to be cancelled; `finished_at`: since when all have ended.
    """

    __tablename__ = "flows"
    __table_args__ = (
        one_of("on_failure", OnFailure),
        Index("flows_by_organization", "organization_id", "id"),
        Index("flows_by_state", "organization_id", "state", "id"),
        Index("flows_unfinished", "id", postgresql_where=text("finished_at IS NULL")),
        Index("flows_to_cancel", "id", postgresql_where=text("finished_at IS NULL AND cancelled_at IS NOT NULL")),
        Index("flows_finished", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID]
    name: Mapped[str]
    on_failure: Mapped[str] = mapped_column(server_default="stop")
    total: Mapped[int] = mapped_column(server_default=text("0"))
    completed: Mapped[int] = mapped_column(server_default=text("0"))
    failed: Mapped[int] = mapped_column(server_default=text("0"))
    cancelled: Mapped[int] = mapped_column(server_default=text("0"))
    completion_job_id: Mapped[UUID | None]
    created_by: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    closed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(
        Computed(
            """
            CASE WHEN cancelled_at IS NOT NULL THEN 'cancelled'
                 WHEN on_failure = 'stop' AND failed > 0 THEN 'failed'
                 WHEN closed_at IS NULL THEN 'open'
                 WHEN completed + failed + cancelled < total THEN 'running'
                 ELSE 'completed' END""",
            persisted=True,
        )
    )


class JobDependency(Base):
    """That a job of a flow waits for another one."""

    __tablename__ = "job_dependencies"
    __table_args__ = (
        PrimaryKeyConstraint("predecessor", "successor"),
        Index("job_dependencies_by_successor", "successor", "predecessor"),
        Index("job_dependencies_by_flow", "flow_id"),
    )

    predecessor: Mapped[UUID]
    successor: Mapped[UUID]
    flow_id: Mapped[UUID]
    organization_id: Mapped[UUID]


class JobWaiting(Base):
    """A member that waits for so many others; it moves to `job_ready`, or `job_later`, when these have ended."""

    __tablename__ = "job_waiting"
    __table_args__ = (Index("job_waiting_by_flow", "flow_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    flow_id: Mapped[UUID]
    waits_for: Mapped[int]
    queue: Mapped[str]
    organization_id: Mapped[UUID]
    priority: Mapped[SmallInt]
    run_at: Mapped[datetime]
    type: Mapped[str]
    key: Mapped[str | None]
