"""A list of flows in one state looks at these alone, however many others there are."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX flows_by_state ON flows (organization_id, state, id)")


def downgrade() -> None:
    op.execute("DROP INDEX flows_by_state")
