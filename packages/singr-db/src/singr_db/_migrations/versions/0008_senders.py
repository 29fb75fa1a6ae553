"""Whoever could create jobs could send messages: what was granted before goes on to allow both."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        UPDATE service_credentials SET scopes = scopes || '{notifications:write}'
         WHERE scopes @> '{jobs:write}' AND NOT scopes @> '{notifications:write}' AND revoked_at IS NULL
        """
    )
    # Where the permission is missing, no roles are there yet either.
    op.execute(
        """
        INSERT INTO role_permissions (role_id, permission)
        SELECT role_id, 'notifications:write' FROM role_permissions
         WHERE permission = 'jobs:write' AND EXISTS (SELECT FROM permissions WHERE name = 'notifications:write')
        ON CONFLICT DO NOTHING
        """
    )


def downgrade() -> None:
    """Nothing asked for the permission before: who has it keeps it."""
