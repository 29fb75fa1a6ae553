"""Passwords that are long enough only beside a second factor: which ones they are."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A default that is no function: no row is written, and no lock is held for longer than it takes to say so.
    op.execute("ALTER TABLE users ADD COLUMN password_needs_second_factor BOOLEAN DEFAULT false NOT NULL")


def downgrade() -> None:
    op.execute("ALTER TABLE users DROP COLUMN password_needs_second_factor")
