"""Which answer of an address (STOP, START) was applied last."""

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE address_answers (
        channel TEXT NOT NULL,
        address_hash BYTEA NOT NULL,
        webhook_id UUID NOT NULL,
        answered_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_address_answers PRIMARY KEY (channel, address_hash)
    )
    """,
    "CREATE INDEX ix_address_answers_answered_at ON address_answers (answered_at)",
    # No policy and no grant: closed to tenants.
    "ALTER TABLE address_answers ENABLE ROW LEVEL SECURITY",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE address_answers")
