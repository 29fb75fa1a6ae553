"""What the keys of a job type are held to, told to the organization whose job waits for its key."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

FUNCTION = """
    CREATE FUNCTION limits_of_type(asked text) RETURNS TABLE (
        concurrency integer, is_set boolean, rate_count integer, rate_seconds double precision)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
        SELECT coalesce(set_concurrency, concurrency), set_concurrency IS NOT NULL,
               coalesce(set_rate_count, rate_count), coalesce(set_rate_seconds, rate_seconds)
          FROM job_limits WHERE type = asked
    $function$
"""


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(FUNCTION.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION limits_of_type(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION limits_of_type(text) TO singr_tenant")


def downgrade() -> None:
    op.execute("DROP FUNCTION limits_of_type(text)")
