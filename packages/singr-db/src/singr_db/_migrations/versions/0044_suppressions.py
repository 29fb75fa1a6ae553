"""Addresses that get no messages."""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
PLATFORM = "organization_id = '01920000-0000-7000-8000-000000000000'"
STATEMENTS = (
    """
    CREATE TABLE suppressions (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        channel TEXT NOT NULL,
        address_hash BYTEA NOT NULL,
        address_masked TEXT NOT NULL,
        scope TEXT NOT NULL,
        reason TEXT NOT NULL,
        message_id UUID,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE,
        lifted_at TIMESTAMP WITH TIME ZONE,
        lifted_by TEXT,
        lifted_note TEXT,
        CONSTRAINT pk_suppressions PRIMARY KEY (id),
        CONSTRAINT ck_suppressions_channel CHECK (channel IN ('email', 'sms', 'push')),
        CONSTRAINT ck_suppressions_scope CHECK (scope IN ('all', 'marketing')),
        CONSTRAINT ck_suppressions_reason
            CHECK (reason IN ('bounced', 'bounced_softly', 'complained', 'stopped', 'unsubscribed'))
    )
    """,
    "CREATE INDEX suppressions_by_address ON suppressions (address_hash)",
    "CREATE INDEX suppressions_by_organization ON suppressions (organization_id, id)",
    """
    CREATE UNIQUE INDEX suppressions_in_force
        ON suppressions (organization_id, channel, address_hash, scope, reason) WHERE lifted_at IS NULL
    """,
    "ALTER TABLE suppressions ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON suppressions TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    # A dead address, or one that answered STOP, is so for everybody: seen by all, and changed by the platform alone.
    f"CREATE POLICY tenant_sees_those_of_all ON suppressions FOR SELECT TO singr_tenant USING ({PLATFORM})",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON suppressions TO singr_tenant",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE suppressions")
