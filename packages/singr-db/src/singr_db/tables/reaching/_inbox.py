"""What people read in an app: items of their inbox, and how many of them are new."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt

_OPEN = "archived_at IS NULL AND snoozed_until IS NULL"


class InboxCounter(Base):
    """Where one person's inbox stands: whoever changes it holds this row, so that its counts are those of its items.

    `position` grows with every change of an item, in the order of commits. Items up to `hidden_through` are in the
    inbox no more: they came before the account that has it. `left_at` is the position at which the last account's tie
    ended; -1 where nobody knows whether there was one.
    """

    __tablename__ = "inbox_counters"
    __table_args__ = (
        CheckConstraint("unread >= 0 AND unseen >= 0", name="counts"),
        ForeignKeyConstraint(
            ["organization_id", "recipient_id"], ["recipients.organization_id", "recipients.id"], ondelete="CASCADE"
        ),
    )

    recipient_id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID]
    unread: Mapped[int] = mapped_column(server_default=text("0"))
    unseen: Mapped[int] = mapped_column(server_default=text("0"))
    position: Mapped[int] = mapped_column(BigInteger(), server_default=text("0"))
    hidden_through: Mapped[int] = mapped_column(BigInteger(), server_default=text("0"))
    left_at: Mapped[int | None] = mapped_column(BigInteger())


class InboxItem(Base):
    """One item of a person's inbox. Its words are made when it is read, of what is sealed here.

    `position`: that of its last change. What is snoozed is out of sight, and uncounted, until then.
    """

    __tablename__ = "inbox_items"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "recipient_id"], ["recipients.organization_id", "recipients.id"], ondelete="CASCADE"
        ),
        Index("inbox_items_by_recipient", "recipient_id", "id"),
        Index("inbox_items_by_position", "recipient_id", "position"),
        Index("inbox_items_unread", "recipient_id", postgresql_where=text(f"read_at IS NULL AND {_OPEN}")),
        Index("inbox_items_unseen", "recipient_id", postgresql_where=text(f"seen_at IS NULL AND {_OPEN}")),
        Index("inbox_items_snoozed", "snoozed_until", postgresql_where=text("snoozed_until IS NOT NULL")),
        Index(
            "inbox_items_of_notification",
            "notification_id",
            "recipient_id",
            unique=True,
            postgresql_where=text("notification_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID]
    recipient_id: Mapped[UUID]
    notification_id: Mapped[UUID | None]
    kind: Mapped[str]
    content_sealed: Mapped[bytes]
    position: Mapped[int] = mapped_column(BigInteger())
    created_at: Mapped[CreatedAt]
    seen_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
