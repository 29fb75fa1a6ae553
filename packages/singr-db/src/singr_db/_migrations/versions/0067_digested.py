"""Which notifications go into digests, and by which channel an item would have come; looked through later."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

PERIODS = "digest IN ('daily', 'weekly')"


def upgrade() -> None:
    lock_patiently("notifications")
    op.execute("ALTER TABLE notifications ADD COLUMN digest TEXT")
    op.execute(f"ALTER TABLE notifications ADD CONSTRAINT ck_notifications_digest CHECK ({PERIODS}) NOT VALID")
    # Nobody writes items before this.
    op.execute("ALTER TABLE digest_items ADD COLUMN channel TEXT NOT NULL")


def downgrade() -> None:
    lock_patiently("notifications")
    op.execute("ALTER TABLE notifications DROP COLUMN digest")
    op.execute("ALTER TABLE digest_items DROP COLUMN channel")
