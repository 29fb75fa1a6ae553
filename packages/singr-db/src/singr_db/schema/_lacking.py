"""What a schema lacks that no comparison of models sees: a restore that broke off leaves tables without it."""

from collections.abc import Iterator

from sqlalchemy import Connection, PrimaryKeyConstraint, UniqueConstraint, inspect, text

from singr_db.schema._ours import VERSION_TABLE
from singr_db.tables import FUNCTIONS, Base

# The tables of no tenant that everybody may read.
_OPEN = (VERSION_TABLE, "permissions")
_KEYS = (PrimaryKeyConstraint, UniqueConstraint)
_UNFENCED = text("""
SELECT relname FROM pg_class
 WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relrowsecurity
   AND relname = ANY (:ours) ORDER BY relname
""")
# Of a partition, too, whose index is named after it and is a part of ours.
_INVALID = text("""
SELECT indexrelid::regclass::text AS name, indrelid::regclass::text AS relation
  FROM pg_index JOIN pg_class AS itself ON itself.oid = indexrelid
  LEFT JOIN LATERAL pg_partition_ancestors(indexrelid) AS above ON true
  JOIN pg_class AS root ON root.oid = coalesce(above, indexrelid) AND NOT root.relispartition
 WHERE NOT indisvalid AND itself.relnamespace = current_schema()::regnamespace AND root.relname = ANY (:ours)
 ORDER BY 1
""")
_FUNCTIONS = text("""
SELECT name FROM unnest(CAST(:ours AS text[])) AS name
 WHERE NOT EXISTS (SELECT FROM pg_proc WHERE proname = name AND pronamespace = current_schema()::regnamespace)
 ORDER BY name
""")


def lacking(connection: Connection) -> Iterator[str]:
    """Name primary keys and functions that are not there, indexes that are not valid, and tables without a fence."""
    keys = inspect(connection).get_multi_pk_constraint()
    there = {name: columns["constrained_columns"] for (_, name), columns in keys.items()}
    for table in Base.metadata.sorted_tables:
        wanted = [column.name for column in table.primary_key]
        if table.name in there and there[table.name] != wanted:
            yield f"{table.name} lacks its primary key ({', '.join(wanted)}): rows may be there twice"
    for index in connection.execute(_INVALID, {"ours": list(_indexes())}):
        yield f"the index {index.name} of {index.relation} is not valid: REINDEX INDEX {index.name}"
    ours = [table.name for table in Base.metadata.sorted_tables if table.name not in _OPEN]
    for name in connection.scalars(_UNFENCED, {"ours": ours}):
        yield f"{name} has no row-level security: ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
    for name in connection.scalars(_FUNCTIONS, {"ours": list(FUNCTIONS)}):
        yield f"the function {name} is missing"


def _indexes() -> Iterator[str]:
    """Give the names of all indexes of the models: those of their keys, too."""
    for table in Base.metadata.tables.values():
        named = (*table.indexes, *(one for one in table.constraints if isinstance(one, _KEYS)))
        yield from (str(one.name) for one in named)
