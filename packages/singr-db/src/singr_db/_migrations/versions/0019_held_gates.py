"""A gate may be held for a time: by retention, whose turn takes many transactions."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE job_gates ADD COLUMN held_until TIMESTAMP WITH TIME ZONE")


def downgrade() -> None:
    op.execute("ALTER TABLE job_gates DROP COLUMN held_until")
