"""What is in doubt or has failed, found by an index of its own: few rows, behind many newer ones."""

from alembic import op

revision = "0087"
down_revision = "0086"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX messages_by_failure ON messages (organization_id, status, id)"
        " WHERE status IN ('unknown', 'failed')"
    )


def downgrade() -> None:
    op.execute("DROP INDEX messages_by_failure")
