"""Jobs that wait for the first look at their key are found by it, so that a flood of one keeps no other waiting."""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX job_keyed_by_key ON job_keyed (organization_id, type, key, run_at, id)")


def downgrade() -> None:
    op.execute("DROP INDEX job_keyed_by_key")
