"""Choices may be made by unsubscribing. What is there is looked through by the next migration."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _admit("'organization', 'recipient', 'link', 'unsubscribe'")


def downgrade() -> None:
    lock_patiently("preferences")
    op.execute("UPDATE preferences SET source = 'link' WHERE source = 'unsubscribe'")
    _admit("'organization', 'recipient', 'link'")


def _admit(sources: str) -> None:
    lock_patiently("preferences")
    op.execute("ALTER TABLE preferences DROP CONSTRAINT ck_preferences_source")
    op.execute(f"ALTER TABLE preferences ADD CONSTRAINT ck_preferences_source CHECK (source IN ({sources})) NOT VALID")
