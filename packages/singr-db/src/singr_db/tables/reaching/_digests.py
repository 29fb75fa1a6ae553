"""What is collected for people, and comes to them in one mail a day or a week."""

from datetime import datetime, time
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, SmallInt, one_of


class DigestPeriod(StrEnum):
    """How often a digest comes."""

    DAILY = "daily"
    WEEKLY = "weekly"


class DigestWindow(Base):
    """What is collected of one type for one person until it closes; one is open at a time.

    Whoever adds an item or closes it holds this row. `closes_at` moves with the person's clock and wishes, until it has
    come. `message_id` is what came of it: the mail, or why there was none. Since `held_since`, nobody who came by could
    open all that is in it: `closes_at` is then when it is tried again.
    """

    __tablename__ = "digest_windows"
    __table_args__ = (
        UniqueConstraint("organization_id", "id"),
        one_of("period", DigestPeriod),
        ForeignKeyConstraint(
            ["organization_id", "recipient_id"], ["recipients.organization_id", "recipients.id"], ondelete="CASCADE"
        ),
        Index(
            "digest_windows_open",
            "recipient_id",
            "type",
            "period",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("digest_windows_due", "closes_at", postgresql_where=text("closed_at IS NULL")),
        Index("digest_windows_closed", "closed_at", postgresql_where=text("closed_at IS NOT NULL")),
        Index("ix_digest_windows_organization_id_recipient_id", "organization_id", "recipient_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID]
    recipient_id: Mapped[UUID]
    type: Mapped[str]
    period: Mapped[str]
    closes_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    closed_at: Mapped[datetime | None]
    message_id: Mapped[UUID | None]
    held_since: Mapped[datetime | None]


class DigestItem(Base):
    """One thing that a digest is to tell: what would have come by a channel; it is gone when the window closes."""

    __tablename__ = "digest_items"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "window_id"],
            ["digest_windows.organization_id", "digest_windows.id"],
            ondelete="CASCADE",
        ),
        Index("ix_digest_items_organization_id_window_id", "organization_id", "window_id", "id"),
        Index(
            "digest_items_of_notification",
            "notification_id",
            "recipient_id",
            unique=True,
            postgresql_where=text("notification_id IS NOT NULL"),
        ),
        ForeignKeyConstraint(
            ["organization_id", "recipient_id"], ["recipients.organization_id", "recipients.id"], ondelete="CASCADE"
        ),
        Index("ix_digest_items_organization_id_recipient_id", "organization_id", "recipient_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID]
    window_id: Mapped[UUID]
    recipient_id: Mapped[UUID]
    notification_id: Mapped[UUID | None]
    kind: Mapped[str]
    channel: Mapped[str]
    content_sealed: Mapped[bytes]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class DigestDefault(Base):
    """When digests of an organization come to those who have not said when they want them, on their own clock."""

    __tablename__ = "digest_defaults"
    __table_args__ = (CheckConstraint("digest_weekday BETWEEN 1 AND 7", name="digest_weekday"),)

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)
    digest_at: Mapped[time | None]
    digest_weekday: Mapped[SmallInt | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
