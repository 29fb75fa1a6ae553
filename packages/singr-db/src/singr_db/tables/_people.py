"""People: users, their places in organizations, invitations, and the trail of what happened to access."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, Json, one_of


class AccountType(StrEnum):
    """What a person came for: to run venues, or to sing in them."""

    CUSTOMER = "customer"
    SINGER = "singer"


class UserStatus(StrEnum):
    """Where an account stands; `pending` waits for its address to be verified, `deleted` keeps only its id."""

    PENDING = "pending"
    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


class AccessChangeKind(StrEnum):
    """What it is whose access has changed."""

    SESSION = "session"
    USER = "user"
    ORGANIZATION = "organization"
    CREDENTIAL = "credential"


class User(Base):
    """A person; belongs to no organization but through memberships.

    `email` is kept as it was given, `email_key` is what it is found by (lower case; none once deleted). The phone's
    number is sealed, found by its keyed fingerprint and shown masked. `role_id` names a role on the platform itself.
    Tenants see the members of their organization, and of them id, name, email, status, created_at, last_sign_in_at.
    """

    __tablename__ = "users"
    __table_args__ = (
        one_of("account_type", AccountType),
        one_of("status", UserStatus),
        CheckConstraint(
            "status = 'deleted' OR (email IS NOT NULL AND email_key IS NOT NULL)", name="living_users_have_an_address"
        ),
        CheckConstraint("num_nulls(phone_sealed, phone_hash, phone_masked) IN (0, 3)", name="phone_is_whole"),
        CheckConstraint("phone_verified_at IS NULL OR phone_hash IS NOT NULL", name="verified_phone_is_there"),
        Index(
            "users_by_verified_phone",
            "phone_hash",
            unique=True,
            postgresql_where=text("phone_verified_at IS NOT NULL"),
        ),
        Index("ix_users_role_id", "role_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_type: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="pending")
    name: Mapped[str]
    email: Mapped[str | None]
    email_key: Mapped[str | None] = mapped_column(unique=True)
    email_verified_at: Mapped[datetime | None]
    phone_sealed: Mapped[bytes | None]
    phone_hash: Mapped[bytes | None]
    phone_masked: Mapped[str | None]
    phone_verified_at: Mapped[datetime | None]
    password_hash: Mapped[str | None]
    password_changed_at: Mapped[datetime | None]
    password_needs_second_factor: Mapped[bool] = mapped_column(server_default=text("false"))
    role_id: Mapped[UUID | None] = mapped_column(ForeignKey("roles.id"))
    created_at: Mapped[CreatedAt]
    last_sign_in_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class Membership(Base):
    """That a person belongs to an organization, and in which role: one of its own or a customer's system role."""

    __tablename__ = "memberships"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "user_id"),
        Index("ix_memberships_user_id", "user_id"),
        Index("ix_memberships_role_id", "role_id"),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id"))
    created_at: Mapped[CreatedAt]
    invited_by: Mapped[UUID | None]


class Invitation(Base):
    """That an address may join an organization; of its token the SHA-256 is kept. One that is open per address.

    `invited_by` is the person who answers for it, `invited_with` the key id of the credential that does.
    """

    __tablename__ = "invitations"
    __table_args__ = (
        Index(
            "invitations_open",
            "organization_id",
            "email_key",
            unique=True,
            postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
        ),
        Index("invitations_by_organization", "organization_id", "id"),
        Index("ix_invitations_role_id", "role_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    email: Mapped[str]
    email_key: Mapped[str]
    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    invited_by: Mapped[UUID | None]
    invited_with: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[UUID | None]
    revoked_at: Mapped[datetime | None]


class SecurityEvent(Base):
    """One line of the audit trail; names its subjects without referring to them, because it outlives them.

    Tenants read and write those of their organization; nothing but the platform's upkeep changes or removes one.
    """

    __tablename__ = "security_events"
    __table_args__ = (
        Index("security_events_by_user", "user_id", "id"),
        Index("security_events_by_organization", "organization_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID | None]
    organization_id: Mapped[UUID | None]
    actor: Mapped[str]
    kind: Mapped[str]
    address: Mapped[str | None]
    device: Mapped[str | None]
    detail: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    correlation_id: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class AccessChange(Base):
    """That somebody's access changed, for processes that remember access to forget it.

    Written in the transaction of the change. Ids are drawn before the commit, so a lower one may appear after a higher.
    """

    __tablename__ = "access_changes"
    __table_args__ = (
        one_of("kind", AccessChangeKind),
        Index("ix_access_changes_changed_at", "changed_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    subject: Mapped[UUID | None]
    changed_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
