"""What people read in an app: their inbox, and how many of its items are new."""

from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
PERSON = "FOREIGN KEY (organization_id, recipient_id) REFERENCES recipients (organization_id, id) ON DELETE CASCADE"
OPEN = "archived_at IS NULL AND snoozed_until IS NULL"
TABLES = (
    f"""
    CREATE TABLE inbox_counters (
        recipient_id UUID NOT NULL,
        organization_id UUID NOT NULL,
        unread INTEGER DEFAULT 0 NOT NULL,
        unseen INTEGER DEFAULT 0 NOT NULL,
        position BIGINT DEFAULT 0 NOT NULL,
        CONSTRAINT pk_inbox_counters PRIMARY KEY (recipient_id),
        CONSTRAINT ck_inbox_counters_counts CHECK (unread >= 0 AND unseen >= 0),
        CONSTRAINT fk_inbox_counters_organization_id_recipient_id_recipients {PERSON}
    )
    """,
    f"""
    CREATE TABLE inbox_items (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        recipient_id UUID NOT NULL,
        notification_id UUID,
        kind TEXT NOT NULL,
        content_sealed BYTEA NOT NULL,
        position BIGINT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        seen_at TIMESTAMP WITH TIME ZONE,
        read_at TIMESTAMP WITH TIME ZONE,
        archived_at TIMESTAMP WITH TIME ZONE,
        snoozed_until TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_inbox_items PRIMARY KEY (id),
        CONSTRAINT fk_inbox_items_organization_id_recipient_id_recipients {PERSON}
    )
    """,
    "CREATE INDEX inbox_items_by_recipient ON inbox_items (recipient_id, id)",
    "CREATE INDEX inbox_items_by_position ON inbox_items (recipient_id, position)",
    f"CREATE INDEX inbox_items_unread ON inbox_items (recipient_id) WHERE read_at IS NULL AND {OPEN}",
    f"CREATE INDEX inbox_items_unseen ON inbox_items (recipient_id) WHERE seen_at IS NULL AND {OPEN}",
    "CREATE INDEX inbox_items_snoozed ON inbox_items (snoozed_until) WHERE snoozed_until IS NOT NULL",
    """
    CREATE UNIQUE INDEX inbox_items_of_notification ON inbox_items (notification_id, recipient_id)
     WHERE notification_id IS NOT NULL
    """,
)
NAMES = ("inbox_counters", "inbox_items")


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for name in NAMES:
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {name} TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO singr_tenant")


def downgrade() -> None:
    for name in reversed(NAMES):
        op.execute(f"DROP TABLE {name}")
