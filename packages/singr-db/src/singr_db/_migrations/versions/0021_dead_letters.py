"""Dead letters: what becomes of jobs that fail for good."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
STATEMENTS = (
    """
    CREATE TABLE dead_letters (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        job_id UUID NOT NULL,
        type TEXT NOT NULL,
        queue TEXT NOT NULL,
        error JSONB NOT NULL,
        error_code TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        job JSONB,
        attempts JSONB NOT NULL,
        state TEXT DEFAULT 'open' NOT NULL,
        failed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        settled_at TIMESTAMP WITH TIME ZONE,
        settled_by TEXT,
        bulk_id UUID,
        CONSTRAINT pk_dead_letters PRIMARY KEY (id),
        CONSTRAINT ck_dead_letters_state CHECK (state IN ('open', 'requeued', 'discarded', 'expired'))
    )
    """,
    "CREATE INDEX dead_letters_by_organization ON dead_letters (organization_id, id)",
    "CREATE INDEX dead_letters_by_job ON dead_letters (job_id, id)",
    "CREATE INDEX dead_letters_open ON dead_letters (organization_id, id) WHERE state = 'open'",
    "CREATE INDEX dead_letters_open_of_all ON dead_letters (id) WHERE state = 'open'",
    "CREATE INDEX dead_letters_groups ON dead_letters (organization_id, fingerprint, id) WHERE state = 'open'",
    "CREATE INDEX dead_letters_groups_of_all ON dead_letters (fingerprint, id) WHERE state = 'open'",
    "CREATE INDEX dead_letters_over ON dead_letters (settled_at) WHERE settled_at IS NOT NULL",
    "ALTER TABLE dead_letters ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON dead_letters TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    # Whoever settles one gives its job a place, or ends what waits for it: the platform alone.
    "GRANT SELECT, DELETE ON dead_letters TO singr_tenant",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE dead_letters")
