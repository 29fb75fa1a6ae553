"""Addresses that get no messages, or none of a kind, and why."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, one_of
from singr_db.tables._messages import Channel


class SuppressionReason(StrEnum):
    """Why an address gets nothing."""

    BOUNCED = "bounced"
    BOUNCED_SOFTLY = "bounced_softly"
    COMPLAINED = "complained"
    STOPPED = "stopped"
    UNSUBSCRIBED = "unsubscribed"


class SuppressionScope(StrEnum):
    """What it does not get: everything, or what organizations send in their own name; or `category:` and a name."""

    ALL = "all"
    MARKETING = "marketing"


class Suppression(Base):
    """An address that gets no messages. One of the platform's own organization holds for all organizations.

    `address_hash` is the fingerprint that its messages are found by; `lifted_by` and `lifted_note` say who let it be
    written to again, and why.
    """

    __tablename__ = "suppressions"
    __table_args__ = (
        one_of("channel", Channel),
        CheckConstraint("scope IN ('all', 'marketing') OR scope LIKE 'category:_%'", name="scope"),
        one_of("reason", SuppressionReason),
        Index("suppressions_by_address", "address_hash"),
        Index("suppressions_by_organization", "organization_id", "id"),
        Index(
            "suppressions_in_force",
            "organization_id",
            "channel",
            "address_hash",
            "scope",
            "reason",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID]
    channel: Mapped[str]
    address_hash: Mapped[bytes]
    address_masked: Mapped[str]
    scope: Mapped[str]
    reason: Mapped[str]
    message_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
    lifted_note: Mapped[str | None]


class AddressAnswer(Base):
    """The callback by which an address last said that it wants nothing more, or messages again; the newest one stays.

    Ids of callbacks are in the order in which they came, and the jobs that apply them run in any. Kept as long as
    callbacks are: until then an older one may be applied.
    """

    __tablename__ = "address_answers"
    __table_args__ = (
        PrimaryKeyConstraint("channel", "address_hash"),
        Index("ix_address_answers_answered_at", "answered_at"),
    )

    channel: Mapped[str]
    address_hash: Mapped[bytes]
    webhook_id: Mapped[UUID]
    answered_at: Mapped[CreatedAt]
