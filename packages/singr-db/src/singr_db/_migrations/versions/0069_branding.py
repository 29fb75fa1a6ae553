"""What organizations look like and say in their messages: versions, none of which ever changes."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
TABLES = (
    """
    CREATE TABLE brandings (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        name TEXT,
        color TEXT,
        footer TEXT,
        logo_id UUID,
        logo_type TEXT,
        logo_width INTEGER,
        logo_height INTEGER,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_brandings PRIMARY KEY (id),
        CONSTRAINT ck_brandings_whole CHECK (num_nulls(name, color) IN (0, 2)),
        CONSTRAINT ck_brandings_logo CHECK (num_nulls(logo_id, logo_type, logo_width, logo_height) IN (0, 4)),
        CONSTRAINT fk_brandings_organization_id_organizations FOREIGN KEY (organization_id)
            REFERENCES organizations (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_brandings_organization_id_starts_at ON brandings (organization_id, starts_at)",
    "CREATE INDEX ix_brandings_logo_id ON brandings (logo_id)",
    """
    CREATE TABLE template_overrides (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        type TEXT NOT NULL,
        channel TEXT NOT NULL,
        locale TEXT NOT NULL,
        subject TEXT,
        text TEXT,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_template_overrides PRIMARY KEY (id),
        CONSTRAINT fk_template_overrides_organization_id_organizations FOREIGN KEY (organization_id)
            REFERENCES organizations (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_template_overrides_organization_id_starts_at ON template_overrides (organization_id, starts_at)",
)
NAMES = ("brandings", "template_overrides")


def upgrade() -> None:
    lock_patiently("organizations")
    for statement in TABLES:
        op.execute(statement)
    for name in NAMES:
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {name} TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})")
        op.execute(f"GRANT SELECT, INSERT, DELETE ON {name} TO singr_tenant")


def downgrade() -> None:
    for name in reversed(NAMES):
        op.execute(f"DROP TABLE {name}")
