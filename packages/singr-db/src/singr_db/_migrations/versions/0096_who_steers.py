"""Who asked for a notification, and to which types of jobs a bulk action keeps."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0096"
down_revision = "0095"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_patiently("notifications", "bulk_actions")
    op.execute("ALTER TABLE notifications ADD COLUMN created_by TEXT")
    op.execute("ALTER TABLE bulk_actions ADD COLUMN types TEXT[]")


def downgrade() -> None:
    lock_patiently("notifications", "bulk_actions")
    op.execute("ALTER TABLE bulk_actions DROP COLUMN types")
    op.execute("ALTER TABLE notifications DROP COLUMN created_by")
