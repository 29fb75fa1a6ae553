"""What providers call back with, and messages that somebody complained of."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
BEFORE = "'queued', 'dispatched', 'sent', 'delivered', 'bounced', 'failed', 'unknown', 'suppressed'"
STATES = "'queued', 'dispatched', 'sent', 'delivered', 'bounced', 'complained', 'failed', 'unknown', 'suppressed'"
STATEMENTS = (
    """
    CREATE TABLE webhooks_received (
        id UUID NOT NULL,
        provider TEXT NOT NULL,
        event TEXT NOT NULL,
        events INTEGER NOT NULL,
        state TEXT DEFAULT 'received' NOT NULL,
        callback_sealed BYTEA NOT NULL,
        outcome JSONB,
        attempts INTEGER DEFAULT 0 NOT NULL,
        correlation_id TEXT,
        received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        processed_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_webhooks_received PRIMARY KEY (id),
        CONSTRAINT ck_webhooks_received_state CHECK (state IN ('received', 'done', 'ignored', 'failed')),
        CONSTRAINT ck_webhooks_received_attempts CHECK (attempts >= 0)
    )
    """,
    "CREATE INDEX webhooks_by_provider ON webhooks_received (provider, id)",
    "CREATE INDEX webhooks_by_state ON webhooks_received (state, id) WHERE state <> 'done'",
    "ALTER TABLE webhooks_received ENABLE ROW LEVEL SECURITY",
    """
    CREATE TABLE webhook_keys (
        provider TEXT NOT NULL,
        key_hash BYTEA NOT NULL,
        webhook_id UUID NOT NULL,
        seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_webhook_keys PRIMARY KEY (provider, key_hash)
    )
    """,
    "CREATE INDEX ix_webhook_keys_seen_at ON webhook_keys (seen_at)",
    "ALTER TABLE webhook_keys ENABLE ROW LEVEL SECURITY",
    """
    CREATE TABLE message_events (
        message_id UUID NOT NULL,
        key_hash BYTEA NOT NULL,
        organization_id UUID NOT NULL,
        provider TEXT NOT NULL,
        event TEXT NOT NULL,
        state TEXT,
        raised BOOLEAN NOT NULL,
        error JSONB,
        webhook_id UUID,
        occurred_at TIMESTAMP WITH TIME ZONE,
        received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_message_events PRIMARY KEY (message_id, key_hash)
    ) PARTITION BY RANGE (message_id)
    """,
    "CREATE TABLE message_events_default PARTITION OF message_events DEFAULT",
    "ALTER TABLE message_events_default ENABLE ROW LEVEL SECURITY",
    "REVOKE ALL ON message_events_default FROM PUBLIC, singr_tenant",
    "ALTER TABLE message_events ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON message_events TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    # Workers write them: what stands there was said by a provider.
    "GRANT SELECT, DELETE ON message_events TO singr_tenant",
    "ALTER TABLE messages ADD COLUMN delivered_at TIMESTAMP WITH TIME ZONE",
)


def upgrade() -> None:
    lock_patiently("messages")
    for statement in STATEMENTS:
        op.execute(statement)
    _allow(STATES)


def downgrade() -> None:
    lock_patiently("messages")
    op.execute("UPDATE messages SET status = 'delivered' WHERE status = 'complained'")
    _allow(BEFORE)
    op.execute("ALTER TABLE messages DROP COLUMN delivered_at")
    for table in ("message_events", "webhook_keys", "webhooks_received"):
        op.execute(f"DROP TABLE {table}")


def _allow(states: str) -> None:
    op.execute("ALTER TABLE messages DROP CONSTRAINT ck_messages_status")
    op.execute(f"ALTER TABLE messages ADD CONSTRAINT ck_messages_status CHECK (status IN ({states}))")
