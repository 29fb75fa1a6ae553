"""Whom organizations reach: recipients, the keys that seal what is theirs, devices for pushes, and topics."""

from datetime import datetime, time
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, SmallInt, one_of


class Platform(StrEnum):
    """What a device that gets pushes runs."""

    IOS = "ios"
    ANDROID = "android"
    WEB = "web"


class DataKey(Base):
    """A key that seals what belongs to one person, wrapped by the master key.

    Without `wrapped` it was destroyed, and nothing that it sealed can be read again. `released_at`: nobody's any more,
    and kept while messages that it sealed are; `external_id`, `recipient_id`, `user_id` (their account) and `prints`
    then say whose it was, and the fingerprints of their addresses, until they are erased; the fingerprints until what
    is left of them is blanked.
    """

    __tablename__ = "data_keys"
    __table_args__ = (
        CheckConstraint("(wrapped IS NULL) = (destroyed_at IS NOT NULL)", name="destroyed"),
        Index("ix_data_keys_organization_id", "organization_id"),
        Index("data_keys_released", "released_at", postgresql_where=text("wrapped IS NOT NULL")),
        Index("data_keys_by_name", "organization_id", "external_id", postgresql_where=text("external_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    wrapped: Mapped[bytes | None]
    created_at: Mapped[CreatedAt]
    released_at: Mapped[datetime | None]
    destroyed_at: Mapped[datetime | None]
    external_id: Mapped[str | None]
    recipient_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    prints: Mapped[list[bytes] | None] = mapped_column(ARRAY(LargeBinary))


class Recipient(Base):
    """A person whom an organization reaches, by the organization's own id, `external_id`.

    What is `_sealed` is sealed with the key `key_id`, an address as `messages.recipient_sealed` holds it; `_hash` is
    the fingerprint that messages to it are found by, `_masked` what people are shown. Days of the week are those of
    ISO 8601, Monday is 1; quiet hours begin on `quiet_days`, on every day where there are none. `last_user_id` is the
    account that it is, or was last: given to another, the id is another person's, with a row of their own. `user_id`
    ends with the membership. `address_changed_at` is when the organization last changed the account that they have, or
    the e-mail address of somebody without one, or put them again after they were taken off; None where they have what
    they came with. `copied` names what came from the account (`name`, `email`, `phone`; NULL: nobody wrote it down),
    `own_times` what they set themselves (`time_zone`, `quiet_hours`, `digest`).
    """

    __tablename__ = "recipients"
    __table_args__ = (
        UniqueConstraint("organization_id", "id"),
        UniqueConstraint("organization_id", "external_id"),
        Index(
            "recipients_by_user",
            "organization_id",
            "user_id",
            unique=True,
            postgresql_where=text("user_id IS NOT NULL"),
        ),
        Index("recipients_by_tag", "tags", postgresql_using="gin"),
        Index("ix_recipients_email_hash", "email_hash"),
        Index("ix_recipients_phone_hash", "phone_hash"),
        Index("ix_recipients_key_id", "key_id"),
        Index("ix_recipients_last_user_id", "last_user_id", postgresql_where=text("last_user_id IS NOT NULL")),
        CheckConstraint("(quiet_from IS NULL) = (quiet_to IS NULL)", name="quiet"),
        CheckConstraint("digest_weekday BETWEEN 1 AND 7", name="digest_weekday"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    external_id: Mapped[str]
    user_id: Mapped[UUID | None]
    last_user_id: Mapped[UUID | None]
    copied: Mapped[list[str] | None] = mapped_column(ARRAY(Text()))
    name_sealed: Mapped[bytes | None]
    email_sealed: Mapped[bytes | None]
    email_hash: Mapped[bytes | None]
    email_masked: Mapped[str | None]
    phone_sealed: Mapped[bytes | None]
    phone_hash: Mapped[bytes | None]
    phone_masked: Mapped[str | None]
    locale: Mapped[str | None]
    time_zone: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'::text[]"))
    quiet_from: Mapped[time | None]
    quiet_to: Mapped[time | None]
    quiet_days: Mapped[list[int] | None] = mapped_column(ARRAY(SmallInteger()))
    digest_at: Mapped[time | None]
    digest_weekday: Mapped[SmallInt | None]
    own_times: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'::text[]"))
    key_id: Mapped[UUID]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt] = mapped_column(onupdate=func.now())
    address_changed_at: Mapped[datetime | None]


class PushDevice(Base):
    """A device that a recipient gets pushes on; a token belongs to whoever registered it last.

    `is_own` says that a person registered it by their account: it goes when the recipient is the account's no more.
    None is unknown, and goes as well.
    """

    __tablename__ = "push_devices"
    __table_args__ = (
        one_of("platform", Platform),
        UniqueConstraint("organization_id", "token_hash"),
        Index("ix_push_devices_organization_id_recipient_id", "organization_id", "recipient_id"),
        Index("ix_push_devices_token_hash", "token_hash"),
        ForeignKeyConstraint(
            ["organization_id", "recipient_id"], ["recipients.organization_id", "recipients.id"], ondelete="CASCADE"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID]
    recipient_id: Mapped[UUID]
    token_sealed: Mapped[bytes]
    token_hash: Mapped[bytes]
    token_masked: Mapped[str]
    platform: Mapped[str]
    locale: Mapped[str | None]
    time_zone: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[CreatedAt]
    off_at: Mapped[datetime | None]
    off_reason: Mapped[str | None]
    is_own: Mapped[bool | None]


class Topic(Base):
    """What recipients of an organization share, such as a farm that they follow."""

    __tablename__ = "topics"
    __table_args__ = (UniqueConstraint("organization_id", "id"), UniqueConstraint("organization_id", "key"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    key: Mapped[str]
    created_at: Mapped[CreatedAt]


class TopicMember(Base):
    """A recipient that a topic reaches."""

    __tablename__ = "topic_members"
    __table_args__ = (
        PrimaryKeyConstraint("topic_id", "recipient_id"),
        Index("ix_topic_members_organization_id_recipient_id", "organization_id", "recipient_id"),
        ForeignKeyConstraint(
            ["organization_id", "topic_id"], ["topics.organization_id", "topics.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["organization_id", "recipient_id"], ["recipients.organization_id", "recipients.id"], ondelete="CASCADE"
        ),
    )

    topic_id: Mapped[UUID]
    recipient_id: Mapped[UUID]
    organization_id: Mapped[UUID]
    added_at: Mapped[CreatedAt]
