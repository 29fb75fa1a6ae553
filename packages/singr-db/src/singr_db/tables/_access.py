"""Organizations, roles and permissions, and the credentials of services."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt, one_of


class CredentialKind(StrEnum):
    """How a service proves who it is."""

    API_KEY = "api_key"
    SIGNING = "signing"


class Organization(Base):
    """A customer: the tenant that every tenant row belongs to."""

    __tablename__ = "organizations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[CreatedAt]


class Permission(Base):
    """One thing that may be done, such as `jobs:write`."""

    __tablename__ = "permissions"

    name: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str] = mapped_column(server_default="")


class Role(Base):
    """A named set of permissions; system roles belong to no organization and all may read them."""

    __tablename__ = "roles"
    __table_args__ = (
        UniqueConstraint("organization_id", "name", postgresql_nulls_not_distinct=True),
        CheckConstraint("NOT is_system OR organization_id IS NULL", name="system_roles_have_no_organization"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    is_system: Mapped[bool] = mapped_column(server_default=text("false"))


class RolePermission(Base):
    """That a role holds a permission."""

    __tablename__ = "role_permissions"
    __table_args__ = (Index("ix_role_permissions_permission", "permission"),)

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True)
    permission: Mapped[str] = mapped_column(ForeignKey("permissions.name", ondelete="CASCADE"), primary_key=True)


class ServiceCredential(Base):
    """What another service signs in with; without an organization it may act for any of them.

    An API key is kept as its SHA-256; a signing key is needed in clear to check a signature, so it is sealed.
    `holder_id` is the person whose permissions bound its scopes at every moment; without one the scopes stand by
    themselves. `replaced_by` is the key id of the credential that takes its place, while both are valid.
    """

    __tablename__ = "service_credentials"
    __table_args__ = (
        one_of("kind", CredentialKind),
        CheckConstraint(
            "CASE kind WHEN 'api_key' THEN secret_hash IS NOT NULL AND secret_sealed IS NULL "
            "ELSE secret_sealed IS NOT NULL AND secret_hash IS NULL END",
            name="secret_fits_kind",
        ),
        Index("ix_service_credentials_organization_id", "organization_id"),
        Index("ix_service_credentials_holder_id", "holder_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    key_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]
    secret_hash: Mapped[bytes | None]
    secret_sealed: Mapped[bytes | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text()), server_default=text("'{}'::text[]"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_by: Mapped[str | None]
    holder_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    replaced_by: Mapped[str | None]


class RequestMark(Base):
    """A nonce that a signed request has used up, by its mark; platform only."""

    __tablename__ = "request_marks"

    mark: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class RequestNonce(Base):
    """As `RequestMark`, for the release before, which may run beside this one; nothing writes it any more."""

    __tablename__ = "request_nonces"
    __table_args__ = (Index("ix_request_nonces_expires_at", "expires_at"),)

    key_id: Mapped[str] = mapped_column(primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
