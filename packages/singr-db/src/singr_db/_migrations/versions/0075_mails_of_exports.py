"""Which mail brought the link to an export, so that one which did not come stands in nobody's way."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_patiently("data_exports")
    op.execute("ALTER TABLE data_exports ADD COLUMN message_id UUID")


def downgrade() -> None:
    lock_patiently("data_exports")
    op.execute("ALTER TABLE data_exports DROP COLUMN message_id")
