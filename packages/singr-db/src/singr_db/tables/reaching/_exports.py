"""What was written out of people's data, to be fetched by them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func
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


class ExportAsk(Base):
    """An organization asked for an export, whose link was to go to this mailbox; kept for a day.

    `id` is that of the export, `asked_by` the organization, and `address_hash` the fingerprint of the address without
    its tag. `count_export_to` counts them, over all organizations.
    """

    __tablename__ = "export_asks"
    __table_args__ = (
        Index("ix_export_asks_asked_by_asked_at", "asked_by", "asked_at"),
        Index("ix_export_asks_address_hash_asked_at", "address_hash", "asked_at"),
        Index("ix_export_asks_asked_at", "asked_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    asked_by: Mapped[UUID]
    address_hash: Mapped[bytes]
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())
