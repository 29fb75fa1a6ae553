"""What every table shares: the naming convention, and the column types in use. And the functions beside the tables."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final
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


FUNCTIONS: Final = (
    "effective_scopes",
    "invitation_stands",
    "forget_holder_that_is_gone",
    "mark_nonce",
    "mark_key",
    "forget_key",
    "place_job",
    "running_jobs",
    "guard_job",
    "count_sms",
    "holder_of_job",
    "queue_of_job",
    "limits_of_type",
    "known_zone",
    "digest_closes",
    "quiet_until",
    "place_member",
    "go_on",
    "end_members",
    "settle_members",
    "requeue_members",
    "take_members",
    "mend_flow",
    "wait_again",
    "add_up_minutes",
    "take_places",
    "rank_places",
    "part_with_member",
    "part_with_devices",
    "keep_organization_name",
    "hide_inbox",
    "count_export",
    "count_export_to",
    "forget_export",
)
"""The functions of the schema, which migrations make."""
