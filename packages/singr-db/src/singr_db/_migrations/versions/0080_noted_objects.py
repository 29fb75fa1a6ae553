"""Objects in the store are noted with whose they are, so that those of organizations that are gone can be removed."""

from alembic import op

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE noted_objects (
            kind TEXT NOT NULL,
            id UUID NOT NULL,
            organization_id UUID NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            CONSTRAINT pk_noted_objects PRIMARY KEY (kind, id),
            CONSTRAINT ck_noted_objects_kind CHECK (kind IN ('logo', 'export'))
        )
        """
    )
    op.execute("ALTER TABLE noted_objects ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON noted_objects TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON noted_objects TO singr_tenant")


def downgrade() -> None:
    op.execute("DROP TABLE noted_objects")
