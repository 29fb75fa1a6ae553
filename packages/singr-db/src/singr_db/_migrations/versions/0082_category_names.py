"""What categories are called by the teams that declare them, for pages of processes that do not know their types."""

from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE category_names (
            category TEXT NOT NULL,
            names JSONB NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            CONSTRAINT pk_category_names PRIMARY KEY (category)
        )
        """
    )
    # No policy and no grant: closed to tenants.
    op.execute("ALTER TABLE category_names ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.execute("DROP TABLE category_names")
