"""What a schema lacks that no comparison of models sees: a restore that broke off leaves tables without it."""

from collections.abc import Iterator

from sqlalchemy import Connection, inspect, text

from singr_db.tables import Base

# The tables of no tenant that everybody may read.
_OPEN = ("alembic_version", "permissions")
_UNFENCED = text("""
SELECT relname FROM pg_class
 WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relrowsecurity
   AND relname = ANY (:ours) ORDER BY relname
""")
_INVALID = text("""
SELECT indexrelid::regclass::text AS name, indrelid::regclass::text AS relation FROM pg_index
  JOIN pg_class ON pg_class.oid = indrelid
 WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace ORDER BY 1
""")


def lacking(connection: Connection) -> Iterator[str]:
    """Name primary keys that are not there, indexes that are not valid, and tables without row-level security."""
    keys = inspect(connection).get_multi_pk_constraint()
    there = {name: columns["constrained_columns"] for (_, name), columns in keys.items()}
    for table in Base.metadata.sorted_tables:
        wanted = [column.name for column in table.primary_key]
        if table.name in there and there[table.name] != wanted:
            yield f"{table.name} lacks its primary key ({', '.join(wanted)}): rows may be there twice"
    for index in connection.execute(_INVALID):
        yield f"the index {index.name} of {index.relation} is not valid: REINDEX INDEX {index.name}"
    ours = [table.name for table in Base.metadata.sorted_tables if table.name not in _OPEN]
    for name in connection.scalars(_UNFENCED, {"ours": ours}):
        yield f"{name} has no row-level security: ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
