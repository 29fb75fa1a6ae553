"""What organizations look like and say in their messages."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from singr_db._ids import new_id
from singr_db.tables._base import Base, CreatedAt


class Branding(Base):
    """A version of how an organization's messages look; none ever changes, so that what is sent again looks the same.

    Of several that have started, the one that started last is in force. Without a name it says that there is none any
    more. The logo lies in the object store, under the key `logos/{logo_id}`.
    """

    __tablename__ = "brandings"
    __table_args__ = (
        CheckConstraint("num_nulls(name, color) IN (0, 2)", name="whole"),
        CheckConstraint("num_nulls(logo_id, logo_type, logo_width, logo_height) IN (0, 4)", name="logo"),
        Index("ix_brandings_organization_id_starts_at", "organization_id", "starts_at"),
        Index("ix_brandings_logo_id", "logo_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str | None]
    color: Mapped[str | None]
    footer: Mapped[str | None]
    logo_id: Mapped[UUID | None]
    logo_type: Mapped[str | None]
    logo_width: Mapped[int | None]
    logo_height: Mapped[int | None]
    locale: Mapped[str | None]
    starts_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]


class TemplateOverride(Base):
    """A version of an organization's own words for a type, on a channel and in a language; without a text, none."""

    __tablename__ = "template_overrides"
    __table_args__ = (Index("ix_template_overrides_organization_id_starts_at", "organization_id", "starts_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    type: Mapped[str]
    channel: Mapped[str]
    locale: Mapped[str]
    subject: Mapped[str | None]
    text: Mapped[str | None]
    starts_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]


class OrganizationName(Base):
    """What an organization is called from a moment on, kept by a trigger on `organizations`.

    Of several that have started, the one that was given last is in force. Without a name, messages wore none.
    """

    __tablename__ = "organization_names"
    __table_args__ = (Index("ix_organization_names_organization_id_id", "organization_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str | None]
    starts_at: Mapped[datetime]
