"""Signing in: sessions and their refresh tokens, one-time tokens, challenges, second factors, passkeys and devices.

All of it is the platform's alone. Tokens are kept as their SHA-256, codes as keyed fingerprints, secrets sealed.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, SmallInt, one_of


class SessionDelivery(StrEnum):
    """How a session's tokens reach its holder."""

    BODY = "body"
    COOKIE = "cookie"


class OneTimeTokenKind(StrEnum):
    """What a token that works once is good for."""

    EMAIL_VERIFICATION = "email_verification"
    EMAIL_CHANGE = "email_change"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a kind, no password
    MAGIC_LINK = "magic_link"


class ChallengeKind(StrEnum):
    """What a challenge asks to be proved."""

    SECOND_FACTOR = "second_factor"
    PHONE = "phone"
    PASSKEY_SIGN_IN = "passkey_sign_in"
    PASSKEY_REGISTRATION = "passkey_registration"


class SecondFactorMethod(StrEnum):
    """How a person proves to hold something; `verify` is a code that Twilio Verify sends and checks."""

    TOTP = "totp"
    SMS = "sms"
    EMAIL = "email"
    VERIFY = "verify"


class AuthSession(Base):
    """One signed-in device, which is one family of refresh tokens; `methods` are those of RFC 8176."""

    __tablename__ = "auth_sessions"
    __table_args__ = (
        one_of("delivery", SessionDelivery),
        Index("ix_auth_sessions_user_id", "user_id"),
        Index("ix_auth_sessions_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
        Index("ix_auth_sessions_expires_at", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    methods: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'::text[]"))
    authenticated_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[CreatedAt]
    idle_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None]
    device: Mapped[str | None]
    user_agent: Mapped[str | None]
    address: Mapped[str | None]
    delivery: Mapped[str] = mapped_column(server_default="body")


class RefreshToken(Base):
    """One refresh token of a session; `parent_hash` is the one that it followed."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index("ix_refresh_tokens_session_id", "session_id"),)

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("auth_sessions.id", ondelete="CASCADE"))
    parent_hash: Mapped[bytes | None]
    created_at: Mapped[CreatedAt]
    used_at: Mapped[datetime | None]


class OneTimeToken(Base):
    """A link's token, and where there is one the code beside it; used up by one UPDATE."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        one_of("kind", OneTimeTokenKind),
        CheckConstraint("failed_codes >= 0", name="failed_codes"),
        Index("ix_one_time_tokens_user_id", "user_id"),
        Index("ix_one_time_tokens_expires_at", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    kind: Mapped[str]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    code_hash: Mapped[bytes | None]
    failed_codes: Mapped[SmallInt] = mapped_column(server_default=text("0"))
    data_sealed: Mapped[bytes | None]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class EmailChange(Base):
    """That an account moved away from `email`: until `expires_at` its mailbox can undo it, and nobody else takes it."""

    __tablename__ = "email_changes"
    __table_args__ = (
        Index("ix_email_changes_user_id", "user_id"),
        Index("ix_email_changes_email_key", "email_key"),
        Index("ix_email_changes_expires_at", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    email: Mapped[str]
    email_key: Mapped[str]
    asked_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AuthChallenge(Base):
    """A question that is open: a second factor, a phone to confirm, a passkey's ceremony."""

    __tablename__ = "auth_challenges"
    __table_args__ = (
        one_of("kind", ChallengeKind),
        CheckConstraint("attempts >= 0 AND sends >= 0", name="counts"),
        Index("ix_auth_challenges_user_id", "user_id"),
        Index("ix_auth_challenges_expires_at", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    kind: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    first_factor: Mapped[str | None]
    data_sealed: Mapped[bytes | None]
    method: Mapped[str | None]
    code_hash: Mapped[bytes | None]
    code_expires_at: Mapped[datetime | None]
    attempts: Mapped[SmallInt] = mapped_column(server_default=text("0"))
    sends: Mapped[SmallInt] = mapped_column(server_default=text("0"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SecondFactor(Base):
    """A second factor of a person; counts once confirmed. `last_step` is the TOTP step accepted last."""

    __tablename__ = "second_factors"
    __table_args__ = (
        PrimaryKeyConstraint("user_id", "method"),
        one_of("method", SecondFactorMethod),
        CheckConstraint("(method = 'totp') = (secret_sealed IS NOT NULL)", name="totp_has_a_secret"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    method: Mapped[str]
    secret_sealed: Mapped[bytes | None]
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime | None]


class BackupCode(Base):
    """One backup code of a person, as its keyed fingerprint."""

    __tablename__ = "backup_codes"
    __table_args__ = (PrimaryKeyConstraint("user_id", "code_hash"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    code_hash: Mapped[bytes]
    created_at: Mapped[CreatedAt]
    used_at: Mapped[datetime | None]


class Passkey(Base):
    """A WebAuthn credential of a person; `public_key` is a COSE key."""

    __tablename__ = "passkeys"
    __table_args__ = (
        CheckConstraint("sign_count >= 0", name="sign_count"),
        Index("ix_passkeys_user_id", "user_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    name: Mapped[str]
    transports: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'::text[]"))
    aaguid: Mapped[UUID | None]
    backup_eligible: Mapped[bool] = mapped_column(server_default=text("false"))
    backed_up: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime | None]


class Device(Base):
    """A browser that signed in before; until `trusted_until` it is asked for no second factor."""

    __tablename__ = "devices"
    __table_args__ = (
        Index("ix_devices_user_id", "user_id"),
        Index("ix_devices_expires_at", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    device: Mapped[str | None]
    address: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    trusted_until: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SignInFailure(Base):
    """How often signing in failed for a subject in a row; the subject is a keyed fingerprint."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (
        CheckConstraint("failures >= 0", name="failures"),
        Index("ix_sign_in_failures_last_at", "last_at"),
    )

    subject_hash: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    last_at: Mapped[CreatedAt]
    locked_until: Mapped[datetime | None]
