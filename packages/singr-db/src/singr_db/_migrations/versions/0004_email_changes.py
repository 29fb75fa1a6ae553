"""Changes of address that can be undone by whoever reads the mail of the address of before."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE email_changes (
            id UUID NOT NULL,
            user_id UUID NOT NULL,
            token_hash BYTEA NOT NULL,
            email TEXT NOT NULL,
            email_key TEXT NOT NULL,
            asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
            used_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_email_changes PRIMARY KEY (id),
            CONSTRAINT uq_email_changes_token_hash UNIQUE (token_hash),
            CONSTRAINT fk_email_changes_user_id_users FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX ix_email_changes_user_id ON email_changes (user_id)")
    op.execute("CREATE INDEX ix_email_changes_email_key ON email_changes (email_key)")
    op.execute("CREATE INDEX ix_email_changes_expires_at ON email_changes (expires_at)")
    op.execute("ALTER TABLE email_changes ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    op.execute("DROP TABLE email_changes")
