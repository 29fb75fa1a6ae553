"""How many messages a provider is given, as all processes count them."""

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

COLUMNS = (
    "rate_count INTEGER",
    "rate_seconds INTEGER",
    "next_at TIMESTAMP WITH TIME ZONE",
    "line_at TIMESTAMP WITH TIME ZONE",
)


def upgrade() -> None:
    op.execute(f"ALTER TABLE provider_health {', '.join(f'ADD COLUMN {column}' for column in COLUMNS)}")


def downgrade() -> None:
    names = (column.split()[0] for column in COLUMNS)
    op.execute(f"ALTER TABLE provider_health {', '.join(f'DROP COLUMN {name}' for name in names)}")
