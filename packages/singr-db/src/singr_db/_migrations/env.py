"""Alembic's environment: runs on the connection that `singr_db` hands over, never on one of its own."""

from alembic import context

from singr_db._partitions import is_partition_name
from singr_db.tables import Base


def _ours(name: str | None, type_: str, _parents: object) -> bool:
    return not (type_ == "table" and name is not None and is_partition_name(name))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    include_name=_ours,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
