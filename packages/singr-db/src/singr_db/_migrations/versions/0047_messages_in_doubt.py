"""What waits for its provider's word, found by an index of its own."""

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX messages_in_doubt ON messages (updated_at)"
        " WHERE status = 'unknown' AND (error ->> 'code') NOT IN ('outcome_unknown', 'lost')"
    )


def downgrade() -> None:
    op.execute("DROP INDEX messages_in_doubt")
