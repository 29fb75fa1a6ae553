"""Since when a digest waits for somebody who can open it."""

from alembic import op

revision = "0086"
down_revision = "0085"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE digest_windows ADD COLUMN held_since TIMESTAMP WITH TIME ZONE")


def downgrade() -> None:
    op.execute("ALTER TABLE digest_windows DROP COLUMN held_since")
