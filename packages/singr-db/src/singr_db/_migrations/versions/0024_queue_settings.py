"""What operators set for queues; a queue that has any is taken from by its rules."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE queue_settings (
        id UUID NOT NULL,
        queue TEXT NOT NULL,
        for_organization UUID,
        paused_at TIMESTAMP WITH TIME ZONE,
        paused_by TEXT,
        paused_for TEXT,
        concurrency INTEGER,
        concurrency_per_organization INTEGER,
        rate_count INTEGER,
        rate_seconds DOUBLE PRECISION,
        weight INTEGER,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_queue_settings PRIMARY KEY (id),
        CONSTRAINT uq_queue_settings_queue_for_organization UNIQUE NULLS NOT DISTINCT (queue, for_organization),
        CONSTRAINT ck_queue_settings_concurrency CHECK (concurrency >= 1 AND concurrency_per_organization >= 1),
        CONSTRAINT ck_queue_settings_whole_rate CHECK (num_nulls(rate_count, rate_seconds) IN (0, 2)),
        CONSTRAINT ck_queue_settings_rate CHECK (rate_count >= 1 AND rate_seconds > 0),
        CONSTRAINT ck_queue_settings_weight CHECK (weight BETWEEN 1 AND 1000),
        CONSTRAINT ck_queue_settings_weight_of_organization CHECK (for_organization IS NOT NULL OR weight IS NULL),
        CONSTRAINT ck_queue_settings_each_of_queue
            CHECK (for_organization IS NULL OR concurrency_per_organization IS NULL),
        CONSTRAINT fk_queue_settings_for_organization_organizations
            FOREIGN KEY (for_organization) REFERENCES organizations (id) ON DELETE CASCADE
    )
    """,
    "ALTER TABLE queue_settings ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE job_gates ADD COLUMN ruled BOOLEAN DEFAULT false NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE job_gates DROP COLUMN ruled")
    op.execute("DROP TABLE queue_settings")
