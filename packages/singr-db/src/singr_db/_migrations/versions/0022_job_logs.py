"""What handlers write of their attempts, line by line; it goes with the week of its job."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
STATEMENTS = (
    """
    CREATE TABLE job_logs (
        job_id UUID NOT NULL,
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        attempt SMALLINT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        message TEXT NOT NULL,
        fields JSONB,
        CONSTRAINT pk_job_logs PRIMARY KEY (job_id, id)
    ) PARTITION BY RANGE (job_id)
    """,
    "CREATE TABLE job_logs_default PARTITION OF job_logs DEFAULT",
    "ALTER TABLE job_logs_default ENABLE ROW LEVEL SECURITY",
    "REVOKE ALL ON job_logs_default FROM PUBLIC, singr_tenant",
    "ALTER TABLE job_logs ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON job_logs TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    # Workers write them: what stands there was said by a handler.
    "GRANT SELECT, DELETE ON job_logs TO singr_tenant",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE job_logs")
