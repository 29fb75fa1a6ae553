"""Whose account a recipient was last, so that what was one person's passes to no other."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_patiently("recipients")
    op.execute("ALTER TABLE recipients ADD COLUMN last_user_id UUID")


def downgrade() -> None:
    lock_patiently("recipients")
    op.execute("ALTER TABLE recipients DROP COLUMN last_user_id")
