"""What goes to people: notifications, what they say on each channel, and whom they name."""

from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
_ITS_OWN = """FOREIGN KEY (organization_id, notification_id)
            REFERENCES notifications (organization_id, id) ON DELETE CASCADE"""
STATEMENTS = (
    """
    CREATE TABLE notifications (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        type TEXT NOT NULL,
        audience JSONB NOT NULL,
        channels TEXT[] NOT NULL,
        priority SMALLINT DEFAULT 1 NOT NULL,
        per_minute INTEGER,
        send_at TIMESTAMP WITH TIME ZONE,
        expires_at TIMESTAMP WITH TIME ZONE,
        deduplication_key TEXT,
        state TEXT DEFAULT 'scheduled' NOT NULL,
        turn INTEGER DEFAULT 1 NOT NULL,
        cursor UUID,
        decided INTEGER DEFAULT 0 NOT NULL,
        paused_at TIMESTAMP WITH TIME ZONE,
        job_id UUID,
        correlation_id TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_notifications PRIMARY KEY (id),
        CONSTRAINT uq_notifications_organization_id_id UNIQUE (organization_id, id),
        CONSTRAINT fk_notifications_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
        CONSTRAINT ck_notifications_state
            CHECK (state IN ('scheduled', 'deciding', 'sending', 'done', 'cancelled')),
        CONSTRAINT ck_notifications_priority CHECK (priority BETWEEN 0 AND 2),
        CONSTRAINT ck_notifications_per_minute CHECK (per_minute > 0),
        CONSTRAINT ck_notifications_ended CHECK ((ended_at IS NOT NULL) = (state IN ('done', 'cancelled')))
    )
    """,
    # A key is free again once its notification was cancelled.
    """
    CREATE UNIQUE INDEX notifications_by_key ON notifications (organization_id, deduplication_key)
        WHERE deduplication_key IS NOT NULL AND state <> 'cancelled'
    """,
    "CREATE INDEX notifications_open ON notifications (id) WHERE ended_at IS NULL",
    "CREATE INDEX notifications_ended ON notifications (ended_at) WHERE ended_at IS NOT NULL",
    f"""
    CREATE TABLE notification_contents (
        notification_id UUID NOT NULL,
        ordinal SMALLINT NOT NULL,
        channel TEXT NOT NULL,
        organization_id UUID NOT NULL,
        content_sealed BYTEA NOT NULL,
        CONSTRAINT pk_notification_contents PRIMARY KEY (notification_id, ordinal, channel),
        CONSTRAINT fk_notification_contents_organization_id_notification_i_487e
            {_ITS_OWN}
    )
    """,
    f"""
    CREATE TABLE notification_targets (
        notification_id UUID NOT NULL,
        ordinal SMALLINT NOT NULL,
        organization_id UUID NOT NULL,
        recipient_id UUID,
        channel TEXT,
        address_sealed BYTEA,
        address_hash BYTEA,
        address_masked TEXT,
        CONSTRAINT pk_notification_targets PRIMARY KEY (notification_id, ordinal),
        CONSTRAINT fk_notification_targets_organization_id_notification_id_7824
            {_ITS_OWN},
        CONSTRAINT ck_notification_targets_whom CHECK ((recipient_id IS NULL) = (address_sealed IS NOT NULL))
    )
    """,
)
NAMES = ("notifications", "notification_contents", "notification_targets")


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for name in NAMES:
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {name} TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO singr_tenant")


def downgrade() -> None:
    for name in reversed(NAMES):
        op.execute(f"DROP TABLE {name}")
