"""Bulk actions, and the priorities that jobs came with which somebody has changed."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
STATEMENTS = (
    """
    CREATE TABLE bulk_actions (
        id UUID NOT NULL,
        organization_id UUID,
        action TEXT NOT NULL,
        filter JSONB NOT NULL,
        priority SMALLINT,
        rate_per_minute INTEGER,
        reason TEXT,
        state TEXT DEFAULT 'counting' NOT NULL,
        matching INTEGER DEFAULT 0 NOT NULL,
        done INTEGER DEFAULT 0 NOT NULL,
        skipped INTEGER DEFAULT 0 NOT NULL,
        problems JSONB DEFAULT '[]' NOT NULL,
        at_id UUID,
        next_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        asked_by TEXT,
        asked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        stopped_by TEXT,
        finished_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_bulk_actions PRIMARY KEY (id),
        CONSTRAINT ck_bulk_actions_state CHECK (state IN ('counting', 'running', 'done', 'stopped')),
        CONSTRAINT ck_bulk_actions_action CHECK (action IN ('requeue', 'discard', 'cancel', 'reprioritize')),
        CONSTRAINT ck_bulk_actions_priority CHECK ((action = 'reprioritize') = (priority IS NOT NULL)),
        CONSTRAINT ck_bulk_actions_rate CHECK (rate_per_minute > 0)
    )
    """,
    "CREATE INDEX bulk_actions_by_organization ON bulk_actions (organization_id, id)",
    "CREATE INDEX bulk_actions_due ON bulk_actions (next_at) WHERE state IN ('counting', 'running')",
    "ALTER TABLE bulk_actions ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON bulk_actions TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    "GRANT SELECT, DELETE ON bulk_actions TO singr_tenant",
    """
    CREATE TABLE first_priorities (
        job_id UUID NOT NULL,
        priority SMALLINT NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_first_priorities PRIMARY KEY (job_id)
    )
    """,
    "ALTER TABLE first_priorities ENABLE ROW LEVEL SECURITY",
    "CREATE INDEX ix_first_priorities_changed_at ON first_priorities (changed_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE first_priorities")
    op.execute("DROP TABLE bulk_actions")
