"""What was done by the minute, queue and type."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE work_minutes (
        minute TIMESTAMP WITH TIME ZONE NOT NULL,
        queue TEXT NOT NULL,
        type TEXT NOT NULL,
        completed INTEGER NOT NULL,
        retried INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        waits INTEGER[] NOT NULL,
        runs INTEGER[] NOT NULL,
        CONSTRAINT pk_work_minutes PRIMARY KEY (minute, queue, type)
    )
    """,
    "ALTER TABLE work_minutes ENABLE ROW LEVEL SECURITY",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE work_minutes")
