"""Weeks of jobs that were made since 0016 leave room on their pages, too: a job ends where it lies.

Pages that are full already stay so. Takes no lock that readers or writers wait for.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

PARTITIONS = "SELECT relid::regclass::text FROM pg_partition_tree('jobs') WHERE isleaf"


def upgrade() -> None:
    for partition in op.get_bind().exec_driver_sql(PARTITIONS).scalars().all():
        op.execute(f"ALTER TABLE {partition} SET (fillfactor = 50)")


def downgrade() -> None:
    """Weeks of the revision before may have room on their pages as well."""
