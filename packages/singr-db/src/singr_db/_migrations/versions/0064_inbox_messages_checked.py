"""Messages are looked through for channels that there are not, while others go on writing."""

from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE messages VALIDATE CONSTRAINT ck_messages_channel")


def downgrade() -> None:
    """A constraint that was looked through stays so."""
