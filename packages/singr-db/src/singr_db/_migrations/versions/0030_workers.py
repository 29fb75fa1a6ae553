"""Workers that say what they serve, and the last count of what waits."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE workers (
        name TEXT NOT NULL,
        host TEXT NOT NULL,
        version TEXT NOT NULL,
        queues TEXT[] NOT NULL,
        types TEXT[] NOT NULL,
        in_hand JSONB NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_workers PRIMARY KEY (name)
    )
    """,
    """
    CREATE TABLE queue_counts (
        queue TEXT NOT NULL,
        state TEXT NOT NULL,
        type TEXT NOT NULL,
        jobs BIGINT NOT NULL,
        oldest TIMESTAMP WITH TIME ZONE,
        counted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_queue_counts PRIMARY KEY (queue, state, type)
    )
    """,
    "ALTER TABLE workers ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE queue_counts ENABLE ROW LEVEL SECURITY",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE queue_counts")
    op.execute("DROP TABLE workers")
