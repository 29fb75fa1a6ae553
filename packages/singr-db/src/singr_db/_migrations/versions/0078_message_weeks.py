"""How far retention is with each week of messages: platform work, which no organization sees."""

from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE message_weeks (
        name TEXT NOT NULL,
        passed TEXT DEFAULT '' NOT NULL,
        after UUID,
        again_at TIMESTAMP WITH TIME ZONE,
        gone_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_message_weeks PRIMARY KEY (name)
    )
    """,
    "ALTER TABLE message_weeks ENABLE ROW LEVEL SECURITY",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE message_weeks")
