"""What providers call back with: kept as it came, and what it said of messages and of subscriptions."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, Json, one_of


class WebhookState(StrEnum):
    """Where a callback stands; `ignored` means that nothing came of it, and `outcome` says why."""

    RECEIVED = "received"
    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"


class ReceivedWebhook(Base):
    """One callback that a provider sent and proved. It belongs to the platform: one may speak of many organizations.

    `callback_sealed` is all of it as it came; `events` counts what it tells, `event` is the provider's word for the
    first; `outcome` says what came of it.
    """

    __tablename__ = "webhooks_received"
    __table_args__ = (
        one_of("state", WebhookState),
        CheckConstraint("attempts >= 0", name="attempts"),
        Index("webhooks_by_provider", "provider", "id"),
        Index("webhooks_by_state", "state", "id", postgresql_where=text("state <> 'done'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    provider: Mapped[str]
    event: Mapped[str]
    events: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="received")
    callback_sealed: Mapped[bytes]
    outcome: Mapped[Json | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    correlation_id: Mapped[str | None]
    received_at: Mapped[CreatedAt]
    processed_at: Mapped[datetime | None]


class WebhookKey(Base):
    """A thing that a provider told, so that its copies are known; kept for thirty days."""

    __tablename__ = "webhook_keys"
    __table_args__ = (
        PrimaryKeyConstraint("provider", "key_hash"),
        Index("ix_webhook_keys_seen_at", "seen_at"),
    )

    provider: Mapped[str]
    key_hash: Mapped[bytes]
    webhook_id: Mapped[UUID]
    seen_at: Mapped[CreatedAt]


class MessageEvent(Base):
    """What a provider said became of a message; partitioned by week of the message's id.

    `raised`: the message became what `state` says by it; a late or doubtful one is kept and changes nothing.
    """

    __tablename__ = "message_events"
    __table_args__ = (
        PrimaryKeyConstraint("message_id", "key_hash"),
        {"postgresql_partition_by": "RANGE (message_id)"},
    )

    message_id: Mapped[UUID]
    key_hash: Mapped[bytes]
    organization_id: Mapped[UUID]
    provider: Mapped[str]
    event: Mapped[str]
    state: Mapped[str | None]
    raised: Mapped[bool]
    error: Mapped[Json | None]
    webhook_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime | None]
    received_at: Mapped[CreatedAt]


class Subscription(Base):
    """What an organization subscribed to at Stripe. Stripe has the truth; this is what it last said.

    `turn` numbers the fetch that it is of (`subscription_fetches`): the newest wins. `fetched_at` is none where only an
    event showed it, and `event_created` is the newest event's own time.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        Index("uq_subscriptions_subscription", "subscription", unique=True),
        Index("subscriptions_by_organization", "organization_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    subscription: Mapped[str]
    customer: Mapped[str]
    price: Mapped[str | None]
    plan: Mapped[str | None]
    status: Mapped[str]
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    ends_with_period: Mapped[bool] = mapped_column(server_default=text("false"))
    turn: Mapped[int | None] = mapped_column(BigInteger)
    fetched_at: Mapped[datetime | None]
    event_created: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
