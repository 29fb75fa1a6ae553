"""How many messages came to what, by the hour of their ids, and when each hour was counted."""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
STATEMENTS = (
    """
    CREATE TABLE delivery_hours (
        organization_id UUID NOT NULL,
        hour TIMESTAMP WITH TIME ZONE NOT NULL,
        channel TEXT NOT NULL,
        kind TEXT NOT NULL,
        provider TEXT NOT NULL,
        status TEXT NOT NULL,
        code TEXT NOT NULL,
        bucket SMALLINT NOT NULL,
        messages INTEGER NOT NULL,
        CONSTRAINT pk_delivery_hours
            PRIMARY KEY (organization_id, hour, channel, kind, provider, status, code, bucket)
    )
    """,
    "CREATE INDEX ix_delivery_hours_hour ON delivery_hours (hour)",
    "ALTER TABLE delivery_hours ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON delivery_hours TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    # Workers count.
    "GRANT SELECT, DELETE ON delivery_hours TO singr_tenant",
    """
    CREATE TABLE delivery_counts (
        hour TIMESTAMP WITH TIME ZONE NOT NULL,
        counted_at TIMESTAMP WITH TIME ZONE,
        due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_delivery_counts PRIMARY KEY (hour)
    )
    """,
    "CREATE INDEX ix_delivery_counts_due_at ON delivery_counts (due_at)",
    "ALTER TABLE delivery_counts ENABLE ROW LEVEL SECURITY",
    # When an hour was counted says nothing of anybody.
    "CREATE POLICY tenant ON delivery_counts FOR SELECT TO singr_tenant USING (true)",
    "GRANT SELECT ON delivery_counts TO singr_tenant",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE delivery_counts")
    op.execute("DROP TABLE delivery_hours")
