"""Messages tell also of what went into an inbox. What is there is looked through by the next migration."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _admit("'email', 'sms', 'push', 'inbox'")


def downgrade() -> None:
    lock_patiently("messages")
    op.execute("DELETE FROM messages WHERE channel = 'inbox'")
    _admit("'email', 'sms', 'push'")


def _admit(channels: str) -> None:
    lock_patiently("messages")
    op.execute("ALTER TABLE messages DROP CONSTRAINT ck_messages_channel")
    op.execute(f"ALTER TABLE messages ADD CONSTRAINT ck_messages_channel CHECK (channel IN ({channels})) NOT VALID")
