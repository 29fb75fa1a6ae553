"""Exports are counted by the mailbox that their links go to; what holds an address back is of the address itself."""

from alembic import op

revision = "0099"
down_revision = "0098"
branch_labels = None
depends_on = None

# As `count_export`, which the release before calls: of an address without a tag, both count the same.
COUNT = """
    CREATE FUNCTION count_export_to(
        export uuid, address bytea, mailbox bytea, per_address integer, per_organization integer)
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
        PERFORM pg_advisory_xact_lock(hashtextextended('exports to ' || encode(mailbox, 'hex'), 0));
        RETURN QUERY
        WITH lately AS (
            SELECT e.asked_by = ours AS is_ours, e.address_hash = mailbox AS is_theirs,
                   e.asked_at + interval '24 hours' AS over_at
              FROM export_asks AS e
             WHERE (e.asked_by = ours OR e.address_hash = mailbox) AND e.asked_at > now() - interval '24 hours'
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
            INSERT INTO export_asks (id, asked_by, address_hash) VALUES (export, ours, mailbox);
        END IF;
    END
    $function$
"""
SIGNATURE = "count_export_to(uuid, bytea, bytea, integer, integer)"


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(COUNT.replace("{schema}", schema))
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO singr_tenant")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SIGNATURE}")
