"""Whose account a released key was, so that an export of the next one with that id tells nothing of the former."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_patiently("data_keys")
    op.execute("ALTER TABLE data_keys ADD COLUMN user_id UUID")


def downgrade() -> None:
    lock_patiently("data_keys")
    op.execute("ALTER TABLE data_keys DROP COLUMN user_id")
