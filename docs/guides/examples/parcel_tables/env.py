"""Alembic's environment of a service whose tables lie in the same database as Singr's."""

import os

from alembic import context
from sqlalchemy import NullPool, create_engine

from parcel_tables import Base
from singr_db import connection_parameters, is_ours


def is_mine(name: str | None, type_: str, _parents: object) -> bool:
    """Leave Singr's tables and their partitions out of what is compared."""
    return type_ != "table" or not is_ours(name)


parameters = connection_parameters(os.environ["DATABASE_URL"], application_name="parcels-alembic")
engine = create_engine("postgresql+psycopg://", connect_args=parameters, poolclass=NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table="parcels_version",  # alembic_version is Singr's
        include_name=is_mine,
    )
    with context.begin_transaction():
        context.run_migrations()
