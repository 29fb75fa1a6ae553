"""Standing work that operators see, pause and run."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE standing_work (
        name TEXT NOT NULL,
        paused_at TIMESTAMP WITH TIME ZONE,
        paused_by TEXT,
        paused_for TEXT,
        asked_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_standing_work PRIMARY KEY (name)
    )
    """,
    """
    CREATE TABLE standing_turns (
        name TEXT NOT NULL,
        process TEXT NOT NULL,
        every DOUBLE PRECISION NOT NULL,
        began_at TIMESTAMP WITH TIME ZONE,
        seconds DOUBLE PRECISION,
        next_at TIMESTAMP WITH TIME ZONE,
        failed_at TIMESTAMP WITH TIME ZONE,
        error TEXT,
        seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_standing_turns PRIMARY KEY (name, process)
    )
    """,
    "ALTER TABLE standing_work ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE standing_turns ENABLE ROW LEVEL SECURITY",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE standing_turns")
    op.execute("DROP TABLE standing_work")
