"""What people want to be told, by which way; and what an organization has where they say nothing."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import SchemaItem

from singr_db._ids import new_id
from singr_db.tables._base import Base, one_of


class PreferenceScope(StrEnum):
    """What a choice is about: everything, a category of message, or one type."""

    ALL = "all"
    CATEGORY = "category"
    TYPE = "type"


class PreferenceSource(StrEnum):
    """Who chose: a caller of the organization, the person signed in, or who holds a link of their mail.

    `unsubscribe` is one click on the link by which a mail program ends a category.
    """

    ORGANIZATION = "organization"
    RECIPIENT = "recipient"
    LINK = "link"
    UNSUBSCRIBE = "unsubscribe"


class DigestFrequency(StrEnum):
    """How often somebody wants to be told: at once, or in one mail a day or a week."""

    IMMEDIATE = "immediate"
    DAILY = "daily"
    WEEKLY = "weekly"


def _places(table: str) -> tuple[SchemaItem, ...]:
    """What all choices have: whose they are, what they are about, and one row at most for each such place."""
    return (
        one_of("scope", PreferenceScope),
        one_of("source", PreferenceSource),
        ForeignKeyConstraint(
            ["organization_id", "recipient_id"], ["recipients.organization_id", "recipients.id"], ondelete="CASCADE"
        ),
        CheckConstraint("(scope = 'all') = (name IS NULL)", name="name_fits_scope"),
        Index(
            f"{table}_by_choice",
            "organization_id",
            "recipient_id",
            "scope",
            "name",
            "channel",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )


class Preference(Base):
    """One choice of a recipient, or, without one, a default of the organization; no row leaves it open.

    `name` is of the category or type, and null for everything; without a channel it is about all of them. A choice is
    never changed by another one: which of them decides is found out when it is asked.
    """

    __tablename__ = "preferences"
    __table_args__ = _places("preferences")

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    recipient_id: Mapped[UUID | None]
    scope: Mapped[str]
    name: Mapped[str | None]
    channel: Mapped[str | None]
    allowed: Mapped[bool]
    source: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class DigestChoice(Base):
    """How often a recipient wants to be told something, or, without one, a default of the organization.

    Beside `Preference`, with the same places: whether somebody is told is one thing, how often is another, and each has
    its own author.
    """

    __tablename__ = "digest_choices"
    __table_args__ = (
        one_of("frequency", DigestFrequency),
        *_places("digest_choices"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    recipient_id: Mapped[UUID | None]
    scope: Mapped[str]
    name: Mapped[str | None]
    channel: Mapped[str | None]
    frequency: Mapped[str]
    source: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
