"""What a reader's link ends for an address may be a category. A later migration looks through what is there."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _admit("scope IN ('all', 'marketing') OR scope LIKE 'category:_%'")


def downgrade() -> None:
    lock_patiently("suppressions")
    op.execute("DELETE FROM suppressions WHERE scope LIKE 'category:_%'")
    _admit("scope IN ('all', 'marketing')")


def _admit(scopes: str) -> None:
    lock_patiently("suppressions")
    op.execute("ALTER TABLE suppressions DROP CONSTRAINT ck_suppressions_scope")
    op.execute(f"ALTER TABLE suppressions ADD CONSTRAINT ck_suppressions_scope CHECK ({scopes}) NOT VALID")
