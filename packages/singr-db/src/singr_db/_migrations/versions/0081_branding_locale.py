"""Brands name the language of messages to people who have chosen none."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_patiently("brandings")
    op.execute("ALTER TABLE brandings ADD COLUMN locale TEXT")


def downgrade() -> None:
    lock_patiently("brandings")
    op.execute("ALTER TABLE brandings DROP COLUMN locale")
