"""How the last turn of retention ended, for the metrics of every process, also of one that starts."""

from alembic import op

revision = "0094"
down_revision = "0090"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE retention_turns (
            name TEXT NOT NULL,
            ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
            seconds DOUBLE PRECISION NOT NULL,
            held_up INTEGER NOT NULL,
            CONSTRAINT pk_retention_turns PRIMARY KEY (name)
        )
        """
    )
    op.execute("ALTER TABLE retention_turns ENABLE ROW LEVEL SECURITY")  # and no policy: the platform's alone


def downgrade() -> None:
    op.execute("DROP TABLE retention_turns")
