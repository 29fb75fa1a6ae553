"""Which providers are worth calling, as all processes see it."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE provider_health (
            channel TEXT NOT NULL,
            provider TEXT NOT NULL,
            failures INTEGER DEFAULT 0 NOT NULL,
            code TEXT,
            message TEXT,
            pause DOUBLE PRECISION DEFAULT 0 NOT NULL,
            opened_at TIMESTAMP WITH TIME ZONE,
            probe_at TIMESTAMP WITH TIME ZONE,
            forced TEXT,
            forced_until TIMESTAMP WITH TIME ZONE,
            forced_by TEXT,
            forced_reason TEXT,
            CONSTRAINT pk_provider_health PRIMARY KEY (channel, provider),
            CONSTRAINT ck_provider_health_forced CHECK (forced IN ('open', 'closed'))
        )
        """
    )
    # No policy and no grant: closed to tenants.
    op.execute("ALTER TABLE provider_health ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.execute("DROP TABLE provider_health")
