"""Whom notifications named is found by index: exports look for one person through all of them."""

from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX notification_targets_by_recipient ON notification_targets (recipient_id)"
        " WHERE recipient_id IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX notification_targets_by_address ON notification_targets (address_hash)"
        " WHERE address_hash IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX notification_targets_by_address")
    op.execute("DROP INDEX notification_targets_by_recipient")
