"""Who has a job in hand, told to the organization whose job it is."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


FUNCTION = """
    CREATE FUNCTION holder_of_job(job uuid) RETURNS TABLE (state text, worker text, begun_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
        SELECT t.state, t.worker, t.started_at FROM job_tickets AS t
         WHERE job = ANY (t.ids) AND EXISTS (
             SELECT FROM jobs WHERE jobs.id = job AND jobs.status = 'pending'
                AND jobs.organization_id = nullif(current_setting('singr.organization_id', true), '')::uuid)
         ORDER BY t.token DESC LIMIT 1
    $function$
    """


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(FUNCTION.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION holder_of_job(uuid) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION holder_of_job(uuid) TO singr_tenant")


def downgrade() -> None:
    op.execute("DROP FUNCTION holder_of_job(uuid)")
