"""Which addresses exports of people's data were asked for to, and by whom: links go to none of them all the time."""

from alembic import op

revision = "0097"
down_revision = "0096"
branch_labels = None
depends_on = None

TABLE = (
    """
    CREATE TABLE export_asks (
        id UUID NOT NULL,
        asked_by UUID NOT NULL,
        address_hash BYTEA NOT NULL,
        asked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_export_asks PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_export_asks_asked_by_asked_at ON export_asks (asked_by, asked_at)",
    "CREATE INDEX ix_export_asks_address_hash_asked_at ON export_asks (address_hash, asked_at)",
    "CREATE INDEX ix_export_asks_asked_at ON export_asks (asked_at)",
    # No policy and no grant: closed to tenants, who ask by the function alone.
    "ALTER TABLE export_asks ENABLE ROW LEVEL SECURITY",
)
# One at a time, by organization and by address, always in this order: of many at once none is one too many.
# An organization is told what it may of an address that others know too: whether its own would go, and when.
COUNT = """
    CREATE FUNCTION count_export(export uuid, address bytea, per_address integer, per_organization integer)
    RETURNS TABLE (why text, seconds integer)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        ours uuid := nullif(current_setting('singr.organization_id', true), '')::uuid;
    BEGIN
        IF EXISTS (
            SELECT FROM suppressions AS s
             WHERE s.address_hash = address AND s.channel = 'email' AND s.lifted_at IS NULL
               AND (s.expires_at IS NULL OR s.expires_at > now())
               AND (s.reason = 'bounced' AND s.organization_id IN (ours, '01920000-0000-7000-8000-000000000000')
                 OR s.reason = 'complained' AND (s.organization_id = ours OR EXISTS (
                    SELECT FROM messages AS m WHERE m.id = s.message_id AND m.kind = 'data_export')))) THEN
            RETURN QUERY SELECT 'held_back', 0;
            RETURN;
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('exports of ' || ours, 0));
        PERFORM pg_advisory_xact_lock(hashtextextended('exports to ' || encode(address, 'hex'), 0));
        RETURN QUERY
        WITH lately AS (
            SELECT e.asked_by = ours AS is_ours, e.address_hash = address AS is_theirs,
                   e.asked_at + interval '24 hours' AS over_at
              FROM export_asks AS e
             WHERE (e.asked_by = ours OR e.address_hash = address) AND e.asked_at > now() - interval '24 hours'
        ), limits AS (
            SELECT 'address' AS reached, max(over_at) AS over_at FROM lately WHERE is_ours AND is_theirs
             UNION ALL
            SELECT 'address', (SELECT over_at FROM lately WHERE is_theirs
                                ORDER BY over_at DESC OFFSET greatest(per_address, 1) - 1 LIMIT 1)
             UNION ALL
            SELECT 'organization', (SELECT over_at FROM lately WHERE is_ours
                                     ORDER BY over_at DESC OFFSET greatest(per_organization, 1) - 1 LIMIT 1)
        )
        SELECT reached, ceil(extract(epoch FROM over_at - now()))::integer FROM limits
         WHERE over_at IS NOT NULL ORDER BY over_at DESC LIMIT 1;
        IF NOT FOUND THEN
            INSERT INTO export_asks (id, asked_by, address_hash) VALUES (export, ours, address);
        END IF;
    END
    $function$
"""
# Of one whose link did not come: it has bothered nobody.
FORGET = """
    CREATE FUNCTION forget_export(export uuid) RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
        DELETE FROM export_asks WHERE id = export
           AND asked_by = nullif(current_setting('singr.organization_id', true), '')::uuid
    $function$
"""
SIGNATURES = ("count_export(uuid, bytea, integer, integer)", "forget_export(uuid)")


def upgrade() -> None:
    for statement in TABLE:
        op.execute(statement)
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for function in (COUNT, FORGET):
        op.execute(function.replace("{schema}", schema))
    for signature in SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO singr_tenant")


def downgrade() -> None:
    for signature in SIGNATURES:
        op.execute(f"DROP FUNCTION {signature}")
    op.execute("DROP TABLE export_asks")
