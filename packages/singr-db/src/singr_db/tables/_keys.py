"""Jobs with a key: where they wait, which of them were let through, and the limits of their types."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from singr_db.tables._base import Base, CreatedAt, SmallInt


class JobKeyed(Base):
    """A job with a key that waits for its time, or, due, for the first look at whether its key has room."""

    __tablename__ = "job_keyed"
    __table_args__ = (
        PrimaryKeyConstraint("run_at", "id"),
        Index("job_keyed_by_key", "organization_id", "type", "key", "run_at", "id"),
    )

    run_at: Mapped[datetime]
    id: Mapped[UUID]
    queue: Mapped[str]
    organization_id: Mapped[UUID]
    priority: Mapped[SmallInt]
    type: Mapped[str]
    key: Mapped[str]


class JobParked(Base):
    """A job that is due and was found with its key full: it lies in the order in which the key lets jobs through."""

    __tablename__ = "job_parked"
    __table_args__ = (PrimaryKeyConstraint("organization_id", "type", "key", "priority", "run_at", "id"),)

    organization_id: Mapped[UUID]
    type: Mapped[str]
    key: Mapped[str]
    priority: Mapped[SmallInt]
    run_at: Mapped[datetime]
    id: Mapped[UUID]
    queue: Mapped[str]


class JobSlot(Base):
    """That a job was let through and has not ended: it is due, in hand, or was lost with its worker and is due again.

    What a key has running is the number of its rows; there is no other count.
    """

    __tablename__ = "job_slots"
    __table_args__ = (Index("job_slots_by_key", "organization_id", "type", "key"),)

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    type: Mapped[str]
    key: Mapped[str]


class JobStart(Base):
    """That an attempt which is over counts against its key's rate, until then."""

    __tablename__ = "job_starts"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "type", "key", "until", "job_id"),
        Index("job_starts_over", "until"),
    )

    organization_id: Mapped[UUID]
    type: Mapped[str]
    key: Mapped[str]
    until: Mapped[datetime]
    job_id: Mapped[UUID]


class JobKeyHold(Base):
    """That a key lets nothing through until then: a handler asked for it."""

    __tablename__ = "job_key_holds"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "type", "key"),
        Index("job_key_holds_over", "until"),
    )

    organization_id: Mapped[UUID]
    type: Mapped[str]
    key: Mapped[str]
    until: Mapped[datetime]


class JobLimit(Base):
    """The limits of a type's keys: as the worker that started last declared them, and as somebody set them since.

    What is set goes before what is declared. A type without a row has been declared by no worker yet: its jobs wait.
    """

    __tablename__ = "job_limits"
    __table_args__ = (
        CheckConstraint("concurrency >= 1 AND set_concurrency >= 0", name="concurrency"),
        CheckConstraint("rate_count >= 1 AND set_rate_count >= 1", name="rate"),
    )

    type: Mapped[str] = mapped_column(primary_key=True)
    concurrency: Mapped[int | None]
    rate_count: Mapped[int | None]
    rate_seconds: Mapped[float | None]
    set_concurrency: Mapped[int | None]
    set_rate_count: Mapped[int | None]
    set_rate_seconds: Mapped[float | None]
    declared_at: Mapped[CreatedAt]
