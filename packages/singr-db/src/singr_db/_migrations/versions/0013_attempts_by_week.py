"""Attempts of jobs are partitioned as the jobs are, so that they go with them; which weeks have gone is remembered."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

COLUMNS = """
    job_id UUID NOT NULL,
    attempt SMALLINT NOT NULL,
    organization_id UUID NOT NULL,
    outcome TEXT NOT NULL,
    error JSONB,
    worker TEXT,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_job_attempts PRIMARY KEY (job_id, attempt),
    CONSTRAINT ck_job_attempts_outcome CHECK (outcome IN ('failed', 'timed_out', 'lost', 'cancelled'))
"""
OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
FENCE = (
    "ALTER TABLE job_attempts ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON job_attempts TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON job_attempts TO singr_tenant",
)
# What there is becomes the DEFAULT partition as it is, whatever its size: no row is read or moved, and processes of the
# release before go on. Weeks are made from then on (`create_partitions`).
UP = (
    "DROP POLICY tenant ON job_attempts_default",
    "REVOKE ALL ON job_attempts_default FROM PUBLIC, singr_tenant",
    f"CREATE TABLE job_attempts ({COLUMNS}) PARTITION BY RANGE (job_id)",
    "ALTER TABLE job_attempts ATTACH PARTITION job_attempts_default DEFAULT",
    *FENCE,
    """
    CREATE TABLE dropped_partitions (
        name TEXT NOT NULL,
        survivors INTEGER NOT NULL,
        dropped_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        cleared_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_dropped_partitions PRIMARY KEY (name)
    )
    """,
    "ALTER TABLE dropped_partitions ENABLE ROW LEVEL SECURITY",
)
DOWN = (
    f"CREATE TABLE job_attempts_flat ({COLUMNS.replace('pk_job_attempts', 'pk_job_attempts_flat')})",
    "INSERT INTO job_attempts_flat SELECT * FROM job_attempts",
    "DROP TABLE job_attempts",
    "DROP TABLE dropped_partitions",
)


def upgrade() -> None:
    lock_patiently("job_attempts")
    _rename("job_attempts", "job_attempts_default")
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    lock_patiently("job_attempts")
    for statement in DOWN:
        op.execute(statement)
    _rename("job_attempts_flat", "job_attempts")
    for statement in FENCE:
        op.execute(statement)


def _rename(table: str, name: str) -> None:
    """Rename a table with its primary key and, from PostgreSQL 18 on, its named NOT NULLs: names are used again."""
    connection = op.get_bind()
    op.execute(f"ALTER TABLE {table} RENAME TO {name}")
    found = connection.exec_driver_sql(
        "SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s) AND contype IN ('p', 'n')", (name,)
    )
    for constraint in found.scalars().all():
        op.execute(f"ALTER TABLE {name} RENAME CONSTRAINT {constraint} TO {constraint.replace(table, name)}")
