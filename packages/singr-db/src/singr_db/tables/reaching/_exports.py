"""What was written out of people's data, to be fetched by them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, one_of


class ExportState(StrEnum):
    """Where an export stands; a withdrawn one is written no further, and its object goes."""

    QUEUED = "queued"
    READY = "ready"
    WITHDRAWN = "withdrawn"


class DataExport(Base):
    """Everything that is known of one person, in an object under the key `exports/{id}.json` until `expires_at`.

    One at a time for each person, `subject_id`: a recipient, or an account that asked about itself. The row is there
    before its object is, and goes after it. `message_id` is the mail with the link.
    """

    __tablename__ = "data_exports"
    __table_args__ = (
        one_of("state", ExportState),
        UniqueConstraint("organization_id", "subject_id"),
        Index("ix_data_exports_recipient_id", "recipient_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    subject_id: Mapped[UUID]
    recipient_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(server_default="queued")
    created_at: Mapped[CreatedAt]
    ready_at: Mapped[datetime | None]
    message_id: Mapped[UUID | None]
    expires_at: Mapped[datetime]
