"""Who holds a credential, what it may do at this moment, and whether an invitation still stands."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = (
    "ALTER TABLE service_credentials ADD COLUMN holder_id UUID",
    "ALTER TABLE invitations ADD COLUMN invited_with TEXT",
    # Never SET NULL: without a holder a credential is the organization's own. Checked apart, so that people can sign
    # in while the rows are looked through.
    """
    ALTER TABLE service_credentials ADD CONSTRAINT fk_service_credentials_holder_id_users
        FOREIGN KEY (holder_id) REFERENCES users (id) ON DELETE CASCADE NOT VALID
    """,
    "CREATE INDEX ix_service_credentials_holder_id ON service_credentials (holder_id)",
)

# Whoever made a credential holds it, also through a credential of theirs; where nobody is known, the organization does.
# An invitation that a credential made says which one.
BACKFILL = (
    """
    WITH RECURSIVE held AS (
        SELECT c.key_id, u.id AS holder_id FROM service_credentials c
        JOIN users u ON u.id = CASE WHEN c.created_by ~ '^user:[0-9a-f-]{36}$' THEN substr(c.created_by, 6)::uuid END
        WHERE c.organization_id IS NOT NULL
        UNION
        SELECT c.key_id, held.holder_id FROM held
        JOIN service_credentials c ON c.created_by = held.key_id AND c.organization_id IS NOT NULL
    )
    UPDATE service_credentials c SET holder_id = held.holder_id FROM held WHERE held.key_id = c.key_id
    """,
    """
    UPDATE invitations i SET invited_with = e.actor FROM security_events e
    WHERE i.invited_by IS NULL AND i.accepted_at IS NULL AND i.revoked_at IS NULL
      AND e.organization_id = i.organization_id AND e.kind = 'invitation.created'
      AND e.detail ->> 'invitation' = i.id::text AND e.actor IN (SELECT key_id FROM service_credentials)
    """,
    # From before there was a longest life, which rotation could not reckon with.
    """
    UPDATE service_credentials SET expires_at = now() + interval '3653 days'
    WHERE expires_at > now() + interval '3653 days' AND revoked_at IS NULL
    """,
    "ALTER TABLE service_credentials VALIDATE CONSTRAINT fk_service_credentials_holder_id_users",
)

# Both look past the tenant fence, since a person's role on the platform lies behind it: so they answer a tenant about
# its own organization alone. Whose scopes are asked for need not be there: NULL says that nothing is left.
FUNCTIONS = (
    """
    CREATE FUNCTION effective_scopes(organization uuid, holder uuid, stored text[]) RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
        SELECT CASE
            WHEN organization IS DISTINCT FROM
                coalesce(nullif(current_setting('singr.organization_id', true), '')::uuid, organization) THEN NULL
            WHEN holder IS NULL THEN stored
            ELSE (
                SELECT ARRAY(
                    SELECT scope FROM unnest(stored) AS scope
                    WHERE scope IN (
                        SELECT p.permission FROM memberships m JOIN role_permissions p ON p.role_id = m.role_id
                        WHERE m.organization_id = organization AND m.user_id = holder
                        UNION ALL
                        SELECT p.permission FROM role_permissions p JOIN roles r ON r.id = p.role_id
                        WHERE r.id = u.role_id AND r.organization_id IS NULL
                    )
                )
                FROM users u
                WHERE u.id = holder AND u.status = 'active'
                  AND (u.role_id IS NOT NULL OR EXISTS (
                      SELECT FROM memberships m WHERE m.organization_id = organization AND m.user_id = holder))
            )
        END
    $function$
    """,
    """
    CREATE FUNCTION invitation_stands(organization uuid, inviter uuid, credential text, offered uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
        WITH maker AS (
            SELECT effective_scopes(organization, c.holder_id, c.scopes) AS scopes, c.organization_id IS NULL AS owner
            FROM service_credentials c
            WHERE c.key_id = credential AND c.revoked_at IS NULL
              AND (c.organization_id IS NULL OR c.organization_id = organization)
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
    """,
)
SIGNATURES = ("effective_scopes(uuid, uuid, text[])", "invitation_stands(uuid, uuid, text, uuid)")


def upgrade() -> None:
    for statement in (*COLUMNS, *BACKFILL):
        op.execute(statement)
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for statement in FUNCTIONS:
        op.execute(statement.replace("{schema}", schema))
    for signature in SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO singr_tenant")


def downgrade() -> None:
    for signature in SIGNATURES[::-1]:
        op.execute(f"DROP FUNCTION {signature}")
    op.execute("ALTER TABLE invitations DROP COLUMN invited_with")
    op.execute("ALTER TABLE service_credentials DROP COLUMN holder_id")
