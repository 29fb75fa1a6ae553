"""How often people want to be told: what they choose, and an organization's default time."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
STATEMENTS = (
    """
    CREATE TABLE digest_choices (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        recipient_id UUID,
        scope TEXT NOT NULL,
        name TEXT,
        channel TEXT,
        frequency TEXT NOT NULL,
        source TEXT NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_digest_choices PRIMARY KEY (id),
        CONSTRAINT fk_digest_choices_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
        CONSTRAINT fk_digest_choices_organization_id_recipient_id_recipients
            FOREIGN KEY (organization_id, recipient_id) REFERENCES recipients (organization_id, id) ON DELETE CASCADE,
        CONSTRAINT ck_digest_choices_scope CHECK (scope IN ('all', 'category', 'type')),
        CONSTRAINT ck_digest_choices_frequency CHECK (frequency IN ('immediate', 'daily', 'weekly')),
        CONSTRAINT ck_digest_choices_source CHECK (source IN ('organization', 'recipient', 'link', 'unsubscribe')),
        CONSTRAINT ck_digest_choices_name_fits_scope CHECK ((scope = 'all') = (name IS NULL))
    )
    """,
    """
    CREATE UNIQUE INDEX digest_choices_by_choice
        ON digest_choices (organization_id, recipient_id, scope, name, channel) NULLS NOT DISTINCT
    """,
    """
    CREATE TABLE digest_defaults (
        organization_id UUID NOT NULL,
        digest_at TIME WITHOUT TIME ZONE,
        digest_weekday SMALLINT,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_digest_defaults PRIMARY KEY (organization_id),
        CONSTRAINT fk_digest_defaults_organization_id_organizations
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
        CONSTRAINT ck_digest_defaults_digest_weekday CHECK (digest_weekday BETWEEN 1 AND 7)
    )
    """,
)
NAMES = ("digest_choices", "digest_defaults")


def upgrade() -> None:
    lock_patiently("organizations", "recipients", mode="SHARE ROW EXCLUSIVE")  # foreign keys need no more
    for statement in STATEMENTS:
        op.execute(statement)
    for name in NAMES:
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {name} TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO singr_tenant")


def downgrade() -> None:
    lock_patiently("organizations", "recipients")
    for name in reversed(NAMES):
        op.execute(f"DROP TABLE {name}")
