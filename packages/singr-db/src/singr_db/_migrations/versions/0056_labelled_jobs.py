"""Jobs with labels are looked through in the order of their ids, and those without are in the way of nobody."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    lock_patiently("jobs")
    # Labels never change, and which they are is not in it: a job's end stays on its page, and one entry does for ten.
    op.execute("CREATE INDEX jobs_labelled ON jobs (organization_id, id) WHERE labels IS NOT NULL")


def downgrade() -> None:
    lock_patiently("jobs")
    op.execute("DROP INDEX jobs_labelled")
