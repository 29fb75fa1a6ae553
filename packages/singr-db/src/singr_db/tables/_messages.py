"""The delivery log: messages, the attempts to send them, and how many a recipient was sent."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, Json, SmallInt, one_of


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"


class Way(StrEnum):
    """How somebody is reached: by a channel, or by what they read in the app."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    INBOX = "inbox"


class MessageStatus(StrEnum):
    """Where a message stands; `unknown` means the provider may or may not have taken it."""

    QUEUED = "queued"
    DISPATCHED = "dispatched"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"


class MessageAttemptStatus(StrEnum):
    """Where one attempt to send stands."""

    DISPATCHED = "dispatched"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Message(Base):
    """One message to one recipient; partitioned by week of its id.

    The recipient and the content are sealed; `recipient_hash` is a keyed fingerprint to search by,
    `recipient_masked` is what people are shown. `held_since`: since when something other than its reader holds it
    up. What a notification made of it names that, and the recipient, whose key (`key_id`) seals the address, and
    the `rule` of what they chose by which it was wanted. One by the way `inbox` is that somebody has it in theirs,
    or why not: it is delivered from the start, and has the id of its item.
    """

    __tablename__ = "messages"
    __table_args__ = (
        one_of("channel", Way),
        one_of("status", MessageStatus),
        CheckConstraint("attempts >= 0", name="attempts"),
        Index("messages_by_organization", "organization_id", "id"),
        Index("messages_by_recipient", "recipient_hash"),
        Index(
            "messages_by_provider",
            "provider",
            "provider_message_id",
            postgresql_where=text("provider_message_id IS NOT NULL"),
        ),
        Index("messages_by_job", "job_id"),
        # What has not ended: few rows at any time, looked through to end what its job left behind.
        Index(
            "messages_unsettled",
            "updated_at",
            "id",
            postgresql_where=text("status IN ('queued', 'dispatched')"),
        ),
        Index(
            "messages_in_doubt",
            "updated_at",
            postgresql_where=text("status = 'unknown' AND (error ->> 'code') NOT IN ('outcome_unknown', 'lost')"),
        ),
        # What people look for the morning after. Nothing that goes well is ever in it.
        Index(
            "messages_by_failure",
            "organization_id",
            "status",
            "id",
            postgresql_where=text("status IN ('unknown', 'failed')"),
        ),
        Index(
            "messages_by_person",
            "organization_id",
            "recipient_id",
            "id",
            postgresql_where=text("recipient_id IS NOT NULL"),
        ),
        Index(
            "messages_by_notification",
            "notification_id",
            "id",
            postgresql_where=text("notification_id IS NOT NULL"),
        ),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID]
    job_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    channel: Mapped[str]
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued")
    recipient_sealed: Mapped[bytes]
    recipient_hash: Mapped[bytes]
    recipient_masked: Mapped[str]
    content_sealed: Mapped[bytes]
    provider: Mapped[str | None]
    provider_message_id: Mapped[str | None]
    error: Mapped[Json | None]
    attempts: Mapped[SmallInt] = mapped_column(server_default=text("0"))
    correlation_id: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[datetime | None]
    updated_at: Mapped[CreatedAt] = mapped_column(onupdate=func.now())
    held_since: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    notification_id: Mapped[UUID | None]
    recipient_id: Mapped[UUID | None]
    key_id: Mapped[UUID | None]
    locale: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    rule: Mapped[str | None]


class ProviderRefusal(Base):
    """A provider that refuses our account, so that its messages wait; gone once it accepts it again."""

    __tablename__ = "provider_refusals"
    __table_args__ = (PrimaryKeyConstraint("channel", "provider"), one_of("channel", Channel))

    channel: Mapped[str]
    provider: Mapped[str]
    code: Mapped[str]
    message: Mapped[str]
    since: Mapped[CreatedAt]
    seen_at: Mapped[CreatedAt]


class ProviderHealth(Base):
    """A provider as all processes see it: how many calls in a row failed, and whether it is called at all.

    `forced` says until `forced_until` what an operator wants in place of what is found out. Where its rate is limited,
    the next message may go at `next_at`, and those that wait were told to ask again until `line_at`.
    """

    __tablename__ = "provider_health"
    __table_args__ = (
        PrimaryKeyConstraint("channel", "provider"),
        CheckConstraint("forced IN ('open', 'closed')", name="forced"),
    )

    channel: Mapped[str]
    provider: Mapped[str]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    code: Mapped[str | None]
    message: Mapped[str | None]
    pause: Mapped[float] = mapped_column(server_default=text("0"))
    opened_at: Mapped[datetime | None]
    probe_at: Mapped[datetime | None]
    forced: Mapped[str | None]
    forced_until: Mapped[datetime | None]
    forced_by: Mapped[str | None]
    forced_reason: Mapped[str | None]
    rate_count: Mapped[int | None]
    rate_seconds: Mapped[int | None]
    next_at: Mapped[datetime | None]
    line_at: Mapped[datetime | None]


class CategoryName(Base):
    """What a category is called, by language, as a process said that sends its messages; platform only."""

    __tablename__ = "category_names"

    category: Mapped[str] = mapped_column(primary_key=True)
    names: Mapped[Json]
    updated_at: Mapped[CreatedAt]


class MessageAttempt(Base):
    """One attempt to send a message, committed before the provider is called."""

    __tablename__ = "message_attempts"
    __table_args__ = (
        PrimaryKeyConstraint("message_id", "attempt"),
        one_of("status", MessageAttemptStatus),
    )

    message_id: Mapped[UUID]
    attempt: Mapped[SmallInt]
    organization_id: Mapped[UUID]
    provider: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="dispatched")
    provider_message_id: Mapped[str | None]
    error: Mapped[Json | None]
    idempotency_token: Mapped[str]
    started_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]


class MessageQuota(Base):
    """How many messages a subject was sent in the window that began at `window_start`."""

    __tablename__ = "message_quotas"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "channel", "subject_hash", "window_start"),
        one_of("channel", Channel),
        CheckConstraint("count >= 0", name="count"),
        Index("ix_message_quotas_window_start", "window_start"),
    )

    organization_id: Mapped[UUID]
    channel: Mapped[str]
    subject_hash: Mapped[bytes]
    window_start: Mapped[datetime]
    count: Mapped[int] = mapped_column(server_default=text("0"))


class SmsCount(Base):
    """How many text messages went to one place in the hour that began at `window_start`, of all organizations."""

    __tablename__ = "sms_counts"
    __table_args__ = (
        PrimaryKeyConstraint("subject_hash", "window_start"),
        CheckConstraint("count >= 0", name="count"),
        Index("ix_sms_counts_window_start", "window_start"),
    )

    subject_hash: Mapped[bytes]
    window_start: Mapped[datetime]
    count: Mapped[int]


class DeliveryHour(Base):
    """How many messages, whose ids were made in this hour, came to what, as it was when the hour was last counted.

    What is none (a provider, the code of an error) is empty. `bucket` is how long it took until they were delivered, in
    the buckets of `singr_jobs.minutes`; -1 where they were not.
    """

    __tablename__ = "delivery_hours"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "hour", "channel", "kind", "provider", "status", "code", "bucket"),
        Index("ix_delivery_hours_hour", "hour"),
    )

    organization_id: Mapped[UUID]
    hour: Mapped[datetime]
    channel: Mapped[str]
    kind: Mapped[str]
    provider: Mapped[str]
    status: Mapped[str]
    code: Mapped[str]
    bucket: Mapped[SmallInt]
    messages: Mapped[int]


class DeliveryCount(Base):
    """When an hour's messages were last counted, and when they are due to be counted anew; infinity: they stay so."""

    __tablename__ = "delivery_counts"
    __table_args__ = (Index("ix_delivery_counts_due_at", "due_at"),)

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    counted_at: Mapped[datetime | None]
    due_at: Mapped[datetime]


class MessageWeek(Base):
    """How far retention is with a week of messages, or with what lies in the DEFAULT partition.

    `passed` says whose time was over when the week was gone through last; `after` is the last message that was looked
    at, while that goes on. At `again_at` it is gone through anew, for what was on its way. `gone_at`: the week was let
    go of, and something of it is still to be cleared away.
    """

    __tablename__ = "message_weeks"

    name: Mapped[str] = mapped_column(primary_key=True)
    passed: Mapped[str] = mapped_column(server_default="")
    after: Mapped[UUID | None]
    again_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]
