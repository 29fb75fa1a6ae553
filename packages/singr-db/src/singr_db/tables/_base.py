"""What every table shares: the naming convention, and the column types in use."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Double, LargeBinary, MetaData, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Json = Annotated[Any, mapped_column(JSONB(none_as_null=True))]
SmallInt = Annotated[int, mapped_column(SmallInteger)]
Timestamp = Annotated[datetime, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=text("now()"))]


class Base(DeclarativeBase):
    """The declarative base of all of Singr's tables."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this class attribute by this name
        str: Text(),
        bytes: LargeBinary(),
        datetime: DateTime(timezone=True),
        float: Double(),
        UUID: Uuid(),
    }


def one_of(column: str, states: Iterable[StrEnum]) -> CheckConstraint:
    """Build the constraint that admits only these states (or all members of an enumeration) in a text column."""
    members = ", ".join(f"'{state.value}'" for state in states)
    return CheckConstraint(f"{column} IN ({members})", name=column)
