"""Which tables of a database are Singr's: all others are somebody else's, and none of its business."""

from typing import Final

from singr_db._partitions import is_partition_name
from singr_db.tables import Base

VERSION_TABLE: Final = "alembic_version"
"""Where Alembic keeps the revision: the name that it takes by itself, and existing installations have."""


def is_ours(name: str | None) -> bool:
    """Tell whether a table of this name is Singr's: one of the models', a partition of theirs, or `alembic_version`.

    For `include_name` of another Alembic beside Singr's, which then leaves these tables alone.
    """
    return name is not None and (name in Base.metadata.tables or name == VERSION_TABLE or is_partition_name(name))


def is_compared(name: str | None, type_: str, _parents: object) -> bool:
    """Admit what Alembic compares with the models, as its `include_name`: of tables those that the models name."""
    return type_ != "table" or name in Base.metadata.tables
