"""Recipients know when their organization last changed where a link to their data would go."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0085"
down_revision = "0082"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_patiently("recipients")
    op.execute("ALTER TABLE recipients ADD COLUMN address_changed_at TIMESTAMPTZ")


def downgrade() -> None:
    lock_patiently("recipients")
    op.execute("ALTER TABLE recipients DROP COLUMN address_changed_at")
