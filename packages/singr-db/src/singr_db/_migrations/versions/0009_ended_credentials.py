"""An invitation that a credential sent stands while that one is in force, or what it was rotated to is."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# As before, but for `line`: the credential that sent it, and those that took its place since. What was revoked on the
# way ends the line; of what expired, whoever is in force behind it answers.
NOW = """
    WITH RECURSIVE line AS (
        SELECT c.key_id, c.replaced_by FROM service_credentials c WHERE c.key_id = credential AND c.revoked_at IS NULL
        UNION
        SELECT c.key_id, c.replaced_by FROM line JOIN service_credentials c ON c.key_id = line.replaced_by
        WHERE c.revoked_at IS NULL
    ), maker AS (
        SELECT effective_scopes(organization, c.holder_id, c.scopes) AS scopes, c.organization_id IS NULL AS owner
        FROM line JOIN service_credentials c USING (key_id)
        WHERE (c.expires_at IS NULL OR c.expires_at > now())
          AND (c.organization_id IS NULL OR c.organization_id = organization)
"""
BEFORE = """
    WITH maker AS (
        SELECT effective_scopes(organization, c.holder_id, c.scopes) AS scopes, c.organization_id IS NULL AS owner
        FROM service_credentials c
        WHERE c.key_id = credential AND c.revoked_at IS NULL
          AND (c.organization_id IS NULL OR c.organization_id = organization)
"""
FUNCTION = """
    CREATE OR REPLACE FUNCTION invitation_stands(organization uuid, inviter uuid, credential text, offered uuid)
    RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
        {makers}
            UNION ALL
            SELECT effective_scopes(organization, inviter, ARRAY(SELECT name FROM permissions)),
                EXISTS (SELECT FROM memberships m JOIN roles r ON r.id = m.role_id
                        WHERE m.organization_id = organization AND m.user_id = inviter
                          AND r.is_system AND r.name = 'customer_owner')
                OR EXISTS (SELECT FROM users u JOIN role_permissions p ON p.role_id = u.role_id
                           WHERE u.id = inviter AND p.permission = 'organization:write')
            WHERE credential IS NULL AND inviter IS NOT NULL
        )
        SELECT CASE
            WHEN credential IS NULL AND inviter IS NULL THEN true
            ELSE EXISTS (
                SELECT FROM maker
                WHERE 'organization:write' = ANY(maker.scopes)
                  AND NOT EXISTS (SELECT FROM role_permissions p
                                  WHERE p.role_id = offered AND p.permission <> ALL(maker.scopes))
                  AND (maker.owner OR NOT EXISTS (SELECT FROM roles r WHERE r.id = offered AND r.is_system
                                                  AND r.name = 'customer_owner'))
            )
        END
    $function$
"""


def upgrade() -> None:
    _define(NOW)


def downgrade() -> None:
    _define(BEFORE)


def _define(makers: str) -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(FUNCTION.replace("{makers}", makers).replace("{schema}", schema))
