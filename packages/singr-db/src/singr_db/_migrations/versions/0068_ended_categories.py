"""What a reader's link ends may be a category of messages: a choice of theirs, or of an address that is nobody's."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_patiently("suppressions")
    _check("suppressions", "scope", "scope IN ('all', 'marketing') OR scope LIKE 'category:_%'")
    lock_patiently("preferences")
    _check("preferences", "source", "source IN ('organization', 'recipient', 'link', 'unsubscribe')")


def downgrade() -> None:
    lock_patiently("suppressions")
    op.execute("DELETE FROM suppressions WHERE scope LIKE 'category:_%'")
    _check("suppressions", "scope", "scope IN ('all', 'marketing')")
    lock_patiently("preferences")
    op.execute("UPDATE preferences SET source = 'link' WHERE source = 'unsubscribe'")
    _check("preferences", "source", "source IN ('organization', 'recipient', 'link')")


def _check(table: str, column: str, what: str) -> None:
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{column}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{column} CHECK ({what})")
