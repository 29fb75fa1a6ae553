"""Which notifications go into digests, and by which channel an item would have come."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_patiently("notifications")
    op.execute("ALTER TABLE notifications ADD COLUMN digest TEXT")
    op.execute("ALTER TABLE notifications ADD CONSTRAINT ck_notifications_digest CHECK (digest IN ('daily', 'weekly'))")
    # Nobody writes items before this.
    op.execute("ALTER TABLE digest_items ADD COLUMN channel TEXT NOT NULL")


def downgrade() -> None:
    lock_patiently("notifications")
    op.execute("ALTER TABLE notifications DROP COLUMN digest")
    op.execute("ALTER TABLE digest_items DROP COLUMN channel")
