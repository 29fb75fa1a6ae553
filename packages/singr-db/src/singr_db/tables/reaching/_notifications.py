"""What goes to people: notifications, what they say on each channel, and whom they name."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, Json, SmallInt, one_of


class NotificationState(StrEnum):
    """Where a notification stands: who gets it is decided in `deciding`; in `sending` its messages are on their way."""

    SCHEDULED = "scheduled"
    DECIDING = "deciding"
    SENDING = "sending"
    DONE = "done"
    CANCELLED = "cancelled"


def _its_own() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["organization_id", "notification_id"],
        ["notifications.organization_id", "notifications.id"],
        ondelete="CASCADE",
    )


class Notification(Base):
    """One thing to tell to many: a type, whom, by which channels, and how far it is.

    `audience` says whom: `{"kind": "named"}` (see `notification_targets`), `topic` with its `topic_id`, `tags`, or
    `all`. `cursor` is the last recipient that was decided, `decided` how many were. With `digest` it waits for people's
    next one. `job_id` decides on, and `turn` is of its newest job: an older one does nothing. `created_by`
    is the credential that asked for it, as jobs name theirs.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("organization_id", "id"),
        one_of("state", NotificationState),
        CheckConstraint("priority BETWEEN 0 AND 2", name="priority"),
        CheckConstraint("per_minute > 0", name="per_minute"),
        CheckConstraint("digest IN ('daily', 'weekly')", name="digest"),
        CheckConstraint("(ended_at IS NOT NULL) = (state IN ('done', 'cancelled'))", name="ended"),
        Index(
            "notifications_by_key",
            "organization_id",
            "deduplication_key",
            unique=True,
            postgresql_where=text("deduplication_key IS NOT NULL AND state <> 'cancelled'"),
        ),
        Index("notifications_open", "id", postgresql_where=text("ended_at IS NULL")),
        # Of what is scheduled, however much that is, the chores read what is due.
        Index(
            "notifications_due",
            text("coalesce(send_at, created_at)"),
            postgresql_where=text("state IN ('scheduled', 'deciding')"),
        ),
        Index("notifications_sending", "id", postgresql_where=text("state = 'sending'")),
        Index("notifications_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    type: Mapped[str]
    audience: Mapped[Json]
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    priority: Mapped[SmallInt] = mapped_column(server_default=text("1"))
    per_minute: Mapped[int | None]
    digest: Mapped[str | None]
    send_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    deduplication_key: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="scheduled")
    turn: Mapped[int] = mapped_column(server_default=text("1"))
    cursor: Mapped[UUID | None]
    decided: Mapped[int] = mapped_column(server_default=text("0"))
    paused_at: Mapped[datetime | None]
    job_id: Mapped[UUID | None]
    correlation_id: Mapped[str | None]
    created_by: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt] = mapped_column(onupdate=func.now())
    ended_at: Mapped[datetime | None]


class NotificationContent(Base):
    """What a notification says by a channel, sealed: to all (`ordinal` 0), or to one of whom it names."""

    __tablename__ = "notification_contents"
    __table_args__ = (PrimaryKeyConstraint("notification_id", "ordinal", "channel"), _its_own())

    notification_id: Mapped[UUID]
    ordinal: Mapped[SmallInt]
    channel: Mapped[str]
    organization_id: Mapped[UUID]
    content_sealed: Mapped[bytes]


class NotificationTarget(Base):
    """Somebody whom a notification names, numbered from 1: a recipient, or a bare address of one channel."""

    __tablename__ = "notification_targets"
    __table_args__ = (
        PrimaryKeyConstraint("notification_id", "ordinal"),
        CheckConstraint("(recipient_id IS NULL) = (address_sealed IS NOT NULL)", name="whom"),
        Index("notification_targets_by_recipient", "recipient_id", postgresql_where=text("recipient_id IS NOT NULL")),
        Index("notification_targets_by_address", "address_hash", postgresql_where=text("address_hash IS NOT NULL")),
        _its_own(),
    )

    notification_id: Mapped[UUID]
    ordinal: Mapped[SmallInt]
    organization_id: Mapped[UUID]
    recipient_id: Mapped[UUID | None]
    channel: Mapped[str | None]
    address_sealed: Mapped[bytes | None]
    address_hash: Mapped[bytes | None]
    address_masked: Mapped[str | None]
