"""Providers that refuse our account, since when a message waits for one, and messages that have not ended."""

from alembic import op

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No default: no row is written.
    op.execute("ALTER TABLE messages ADD COLUMN held_since TIMESTAMP WITH TIME ZONE")
    op.execute("CREATE INDEX messages_unsettled ON messages (updated_at, id) WHERE status IN ('queued', 'dispatched')")
    op.execute(
        """
        CREATE TABLE provider_refusals (
            channel TEXT NOT NULL,
            provider TEXT NOT NULL,
            code TEXT NOT NULL,
            message TEXT NOT NULL,
            since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            CONSTRAINT pk_provider_refusals PRIMARY KEY (channel, provider),
            CONSTRAINT ck_provider_refusals_channel CHECK (channel IN ('email', 'sms', 'push'))
        )
        """
    )
    # No policy and no grant: closed to tenants.
    op.execute("ALTER TABLE provider_refusals ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.execute("DROP TABLE provider_refusals")
    op.execute("DROP INDEX messages_unsettled")
    op.execute("ALTER TABLE messages DROP COLUMN held_since")
