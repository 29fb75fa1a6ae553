"""Whom organizations reach: recipients, their keys, devices for pushes and topics; what messages say of them."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
TABLES = (
    """
    CREATE TABLE data_keys (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        wrapped BYTEA,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        released_at TIMESTAMP WITH TIME ZONE,
        destroyed_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_data_keys PRIMARY KEY (id),
        CONSTRAINT fk_data_keys_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
        CONSTRAINT ck_data_keys_destroyed CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_data_keys_organization_id ON data_keys (organization_id)",
    "CREATE INDEX data_keys_released ON data_keys (released_at) WHERE wrapped IS NOT NULL",
    """
    CREATE TABLE recipients (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        external_id TEXT NOT NULL,
        user_id UUID,
        name_sealed BYTEA,
        email_sealed BYTEA,
        email_hash BYTEA,
        email_masked TEXT,
        phone_sealed BYTEA,
        phone_hash BYTEA,
        phone_masked TEXT,
        locale TEXT,
        time_zone TEXT,
        tags TEXT[] DEFAULT '{}'::text[] NOT NULL,
        quiet_from TIME WITHOUT TIME ZONE,
        quiet_to TIME WITHOUT TIME ZONE,
        quiet_days SMALLINT[],
        digest_at TIME WITHOUT TIME ZONE,
        digest_weekday SMALLINT,
        key_id UUID NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_recipients PRIMARY KEY (id),
        CONSTRAINT uq_recipients_organization_id_id UNIQUE (organization_id, id),
        CONSTRAINT uq_recipients_organization_id_external_id UNIQUE (organization_id, external_id),
        CONSTRAINT fk_recipients_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
        CONSTRAINT ck_recipients_quiet CHECK ((quiet_from IS NULL) = (quiet_to IS NULL)),
        CONSTRAINT ck_recipients_digest_weekday CHECK (digest_weekday BETWEEN 1 AND 7)
    )
    """,
    "CREATE UNIQUE INDEX recipients_by_user ON recipients (organization_id, user_id) WHERE user_id IS NOT NULL",
    "CREATE INDEX recipients_by_tag ON recipients USING gin (tags)",
    "CREATE INDEX ix_recipients_email_hash ON recipients (email_hash)",
    "CREATE INDEX ix_recipients_phone_hash ON recipients (phone_hash)",
    "CREATE INDEX ix_recipients_key_id ON recipients (key_id)",
    """
    CREATE TABLE push_devices (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        recipient_id UUID NOT NULL,
        token_sealed BYTEA NOT NULL,
        token_hash BYTEA NOT NULL,
        token_masked TEXT NOT NULL,
        platform TEXT NOT NULL,
        locale TEXT,
        time_zone TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        last_used_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        off_at TIMESTAMP WITH TIME ZONE,
        off_reason TEXT,
        CONSTRAINT pk_push_devices PRIMARY KEY (id),
        CONSTRAINT uq_push_devices_organization_id_token_hash UNIQUE (organization_id, token_hash),
        CONSTRAINT fk_push_devices_organization_id_recipient_id_recipients
            FOREIGN KEY (organization_id, recipient_id) REFERENCES recipients (organization_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_push_devices_platform CHECK (platform IN ('ios', 'android', 'web'))
    )
    """,
    "CREATE INDEX ix_push_devices_organization_id_recipient_id ON push_devices (organization_id, recipient_id)",
    "CREATE INDEX ix_push_devices_token_hash ON push_devices (token_hash)",
    """
    CREATE TABLE topics (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        key TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_topics PRIMARY KEY (id),
        CONSTRAINT uq_topics_organization_id_id UNIQUE (organization_id, id),
        CONSTRAINT uq_topics_organization_id_key UNIQUE (organization_id, key),
        CONSTRAINT fk_topics_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE topic_members (
        topic_id UUID NOT NULL,
        recipient_id UUID NOT NULL,
        organization_id UUID NOT NULL,
        added_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_topic_members PRIMARY KEY (topic_id, recipient_id),
        CONSTRAINT fk_topic_members_organization_id_topic_id_topics
            FOREIGN KEY (organization_id, topic_id) REFERENCES topics (organization_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_topic_members_organization_id_recipient_id_recipients
            FOREIGN KEY (organization_id, recipient_id) REFERENCES recipients (organization_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_topic_members_organization_id_recipient_id ON topic_members (organization_id, recipient_id)",
)
NAMES = ("data_keys", "recipients", "push_devices", "topics", "topic_members")
COLUMNS = {
    "notification_id": "UUID",
    "recipient_id": "UUID",
    "key_id": "UUID",
    "locale": "TEXT",
    "expires_at": "TIMESTAMP WITH TIME ZONE",
}


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for name in NAMES:
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {name} TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO singr_tenant")
    lock_patiently("messages")
    op.execute("ALTER TABLE messages " + ", ".join(f"ADD COLUMN {name} {kind}" for name, kind in COLUMNS.items()))
    # Of messages to nobody in particular they hold nothing, and cost nothing.
    op.execute(
        "CREATE INDEX messages_by_person ON messages (organization_id, recipient_id, id) WHERE recipient_id IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX messages_by_notification ON messages (notification_id, id) WHERE notification_id IS NOT NULL"
    )


def downgrade() -> None:
    lock_patiently("messages")
    op.execute("ALTER TABLE messages " + ", ".join(f"DROP COLUMN {name}" for name in COLUMNS))
    for name in reversed(NAMES):
        op.execute(f"DROP TABLE {name}")
