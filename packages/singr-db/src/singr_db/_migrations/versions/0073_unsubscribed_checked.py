"""Notifications, suppressions and choices are looked through for what there cannot be, while others go on writing."""

from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE notifications VALIDATE CONSTRAINT ck_notifications_digest")
    op.execute("ALTER TABLE suppressions VALIDATE CONSTRAINT ck_suppressions_scope")
    op.execute("ALTER TABLE preferences VALIDATE CONSTRAINT ck_preferences_source")


def downgrade() -> None:
    """Constraints that were looked through stay so."""
