"""By which rule of what its recipient chose a message was wanted."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_patiently("messages")
    op.execute("ALTER TABLE messages ADD COLUMN rule TEXT")


def downgrade() -> None:
    lock_patiently("messages")
    op.execute("ALTER TABLE messages DROP COLUMN rule")
