"""What people want to be told, by which way; and what an organization has where they say nothing."""

from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
STATEMENTS = (
    """
    CREATE TABLE preferences (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        recipient_id UUID,
        scope TEXT NOT NULL,
        name TEXT,
        channel TEXT,
        allowed BOOLEAN NOT NULL,
        source TEXT NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_preferences PRIMARY KEY (id),
        CONSTRAINT fk_preferences_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
        CONSTRAINT fk_preferences_organization_id_recipient_id_recipients
            FOREIGN KEY (organization_id, recipient_id) REFERENCES recipients (organization_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_preferences_scope CHECK (scope IN ('all', 'category', 'type')),
        CONSTRAINT ck_preferences_source CHECK (source IN ('organization', 'recipient', 'link')),
        CONSTRAINT ck_preferences_name_fits_scope CHECK ((scope = 'all') = (name IS NULL))
    )
    """,
    """
    CREATE UNIQUE INDEX preferences_by_choice
        ON preferences (organization_id, recipient_id, scope, name, channel) NULLS NOT DISTINCT
    """,
    "ALTER TABLE preferences ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON preferences TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON preferences TO singr_tenant",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE preferences")
