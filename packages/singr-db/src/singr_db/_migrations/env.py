"""Alembic's environment: runs on the connection that `singr_db` hands over, never on one of its own."""

from alembic import context

from singr_db.schema._ours import VERSION_TABLE, is_compared
from singr_db.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    include_name=is_compared,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
