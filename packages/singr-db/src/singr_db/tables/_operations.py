"""The operation log: who did what to what."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, Json, one_of


class ActorKind(StrEnum):
    """Who did it: a person, a service by its credential, or code of a process that acts for itself."""

    USER = "user"
    CREDENTIAL = "credential"
    PROCESS = "process"


class Operation(Base):
    """One act of an operator, of a tenant or of a process; names its subjects without referring to them.

    `organization_id` is whose matter it was, the platform's own where it was nobody else's. `kind` begins with what it
    was done to, as in `job.cancel`, and `target` says to which. `before` and `after` hold what differs, and no secret.
    """

    __tablename__ = "operation_log"
    __table_args__ = (
        one_of("actor_kind", ActorKind),
        Index("operation_log_by_organization", "organization_id", "id"),
        Index("operation_log_by_actor", "actor", "id"),
        Index("operation_log_by_kind", "kind", "id"),
        Index("operation_log_by_target", "target", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID]
    actor_kind: Mapped[str]
    actor: Mapped[str]
    kind: Mapped[str]
    target: Mapped[str]
    before: Mapped[Json | None]
    after: Mapped[Json | None]
    reason: Mapped[str | None]
    correlation_id: Mapped[str | None]
    created_at: Mapped[CreatedAt]
