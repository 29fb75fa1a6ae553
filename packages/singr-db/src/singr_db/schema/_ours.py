"""Which tables of a database are Singr's: all others are somebody else's, and none of its business."""

from typing import Final

from sqlalchemy import Connection, text

from singr_db._partitions import is_partition_name
from singr_db.tables import Base

VERSION_TABLE: Final = "alembic_version"
"""Where Alembic keeps the revision: the name that it takes by itself, and existing installations have."""
# What `DROP TABLE … CASCADE` takes from others without a word: their foreign keys, and their views whole.
_LEANING: Final = text(
    """
SELECT leaning.oid::regclass::text AS name, leaning.relname, leaning.relnamespace = target.relnamespace AS beside,
       c.conname AS key
  FROM pg_class AS target
  JOIN pg_constraint AS c ON c.contype = 'f' AND c.confrelid = target.oid
  JOIN pg_class AS leaning ON leaning.oid = c.conrelid
 WHERE target.oid IN (SELECT to_regclass(name) FROM unnest(CAST(:tables AS text[])) AS name) AND c.conparentid = 0
UNION
SELECT leaning.oid::regclass::text, leaning.relname, leaning.relnamespace = target.relnamespace, NULL
  FROM pg_class AS target
  JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = target.oid
  JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
  JOIN pg_class AS leaning ON leaning.oid = r.ev_class
 WHERE target.oid IN (SELECT to_regclass(name) FROM unnest(CAST(:tables AS text[])) AS name)
 ORDER BY 1, 4
    """
)


def is_ours(name: str | None) -> bool:
    """Tell whether a table of this name is Singr's: one of the models', a partition of theirs, or `alembic_version`.

    For `include_name` of another Alembic beside Singr's, which then leaves these tables alone.
    """
    return name is not None and (name in Base.metadata.tables or name == VERSION_TABLE or is_partition_name(name))


def is_compared(name: str | None, type_: str, _parents: object) -> bool:
    """Admit what Alembic compares with the models, as its `include_name`: of tables those that the models name."""
    return type_ != "table" or name in Base.metadata.tables


def leaning_on_ours(connection: Connection) -> list[str]:
    """Name the tables and views of somebody else's that refer to Singr's, a table with its foreign key."""
    found = connection.execute(_LEANING, {"tables": list(Base.metadata.tables)})
    return [f"{one.name} ({one.key or 'a view'})" for one in found if not (one.beside and is_ours(one.relname))]
