"""What is due among many scheduled notifications, and what is being sent, found by indexes of their own."""

from alembic import op

revision = "0100"
down_revision = "0099"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX notifications_due ON notifications (coalesce(send_at, created_at))"
        " WHERE state IN ('scheduled', 'deciding')"
    )
    op.execute("CREATE INDEX notifications_sending ON notifications (id) WHERE state = 'sending'")


def downgrade() -> None:
    op.execute("DROP INDEX notifications_due")
    op.execute("DROP INDEX notifications_sending")
