"""Exports of what is known of people: which there are, whose, and until when."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"


def upgrade() -> None:
    lock_patiently("organizations")
    op.execute(
        """
        CREATE TABLE data_exports (
            id UUID NOT NULL,
            organization_id UUID NOT NULL,
            subject_id UUID NOT NULL,
            recipient_id UUID,
            user_id UUID,
            state TEXT DEFAULT 'queued' NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            ready_at TIMESTAMP WITH TIME ZONE,
            expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT pk_data_exports PRIMARY KEY (id),
            CONSTRAINT uq_data_exports_organization_id_subject_id UNIQUE (organization_id, subject_id),
            CONSTRAINT ck_data_exports_state CHECK (state IN ('queued', 'ready', 'withdrawn')),
            CONSTRAINT fk_data_exports_organization_id_organizations FOREIGN KEY (organization_id)
                REFERENCES organizations (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX ix_data_exports_recipient_id ON data_exports (recipient_id)")
    op.execute("ALTER TABLE data_exports ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON data_exports TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON data_exports TO singr_tenant")


def downgrade() -> None:
    op.execute("DROP TABLE data_exports")
