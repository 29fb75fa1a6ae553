"""Whether a queue is paused, told to the organization whose jobs wait in it."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

FUNCTION = """
    CREATE FUNCTION pause_of_queue(asked text) RETURNS TABLE (paused_at timestamptz, whole boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
        SELECT s.paused_at, s.for_organization IS NULL FROM queue_settings AS s
         WHERE s.queue = asked AND s.paused_at IS NOT NULL
           AND (s.for_organization IS NULL
                OR s.for_organization = nullif(current_setting('singr.organization_id', true), '')::uuid)
         ORDER BY s.for_organization NULLS FIRST LIMIT 1
    $function$
    """


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(FUNCTION.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION pause_of_queue(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION pause_of_queue(text) TO singr_tenant")


def downgrade() -> None:
    op.execute("DROP FUNCTION pause_of_queue(text)")
