"""The operation log: who did what to what."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
STATEMENTS = (
    """
    CREATE TABLE operation_log (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        actor_kind TEXT NOT NULL,
        actor TEXT NOT NULL,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        before JSONB,
        after JSONB,
        reason TEXT,
        correlation_id TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_operation_log PRIMARY KEY (id),
        CONSTRAINT ck_operation_log_actor_kind CHECK (actor_kind IN ('user', 'credential', 'process'))
    )
    """,
    *(
        f"CREATE INDEX operation_log_by_{name} ON operation_log ({column}, id)"
        for name, column in (
            ("organization", "organization_id"),
            ("actor", "actor"),
            ("kind", "kind"),
            ("target", "target"),
        )
    ),
    "ALTER TABLE operation_log ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON operation_log TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    # A line that stands is never changed, and goes with time alone.
    "GRANT SELECT, INSERT ON operation_log TO singr_tenant",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE operation_log")
