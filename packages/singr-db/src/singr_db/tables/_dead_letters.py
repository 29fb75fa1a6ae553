"""Dead letters: jobs that failed for good."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, Json, one_of

_OPEN = text("state = 'open'")


class DeadLetterState(StrEnum):
    """Whether somebody has to look at it yet, or what became of it."""

    OPEN = "open"
    REQUEUED = "requeued"
    DISCARDED = "discarded"
    EXPIRED = "expired"


class DeadLetter(Base):
    """That a job failed for good: `job` is its row as it stood then, without which it cannot be made anew.

    `attempts` are all of this round, those that completed nothing; a job that is requeued and fails again leaves
    another letter. `log` is what its handler wrote in them, from when the job's week goes; until then its lines lie in
    `job_logs`. `fingerprint` is alike for failures of one kind. `bulk_id` is the bulk action that settled it.
    """

    __tablename__ = "dead_letters"
    __table_args__ = (
        one_of("state", DeadLetterState),
        Index("dead_letters_by_organization", "organization_id", "id"),
        Index("dead_letters_by_job", "job_id", "id"),
        Index("dead_letters_open", "organization_id", "id", postgresql_where=_OPEN),
        Index("dead_letters_open_of_all", "id", postgresql_where=_OPEN),
        Index("dead_letters_groups", "organization_id", "fingerprint", "id", postgresql_where=_OPEN),
        Index("dead_letters_groups_of_all", "fingerprint", "id", postgresql_where=_OPEN),
        Index("dead_letters_over", "settled_at", postgresql_where=text("settled_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID]
    job_id: Mapped[UUID]
    type: Mapped[str]
    queue: Mapped[str]
    error: Mapped[Json]
    error_code: Mapped[str]
    fingerprint: Mapped[str]
    job: Mapped[Json | None]
    attempts: Mapped[Json]
    log: Mapped[Json | None]
    state: Mapped[str] = mapped_column(server_default="open")
    failed_at: Mapped[CreatedAt]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str | None]
    bulk_id: Mapped[UUID | None]
