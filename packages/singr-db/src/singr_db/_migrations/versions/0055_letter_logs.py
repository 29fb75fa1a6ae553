"""What a job logged, kept in its dead letter once its week goes."""

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE dead_letters ADD COLUMN log JSONB")


def downgrade() -> None:
    op.execute("ALTER TABLE dead_letters DROP COLUMN log")
