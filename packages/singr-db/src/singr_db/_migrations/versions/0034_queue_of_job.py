"""What keeps a queue, and who serves it, told to the organization whose job waits in it."""

from importlib import import_module

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_PAUSES = import_module("singr_db._migrations.versions.0027_pause_of_queue")

# The settings of the queue and of this organization in it; what is in hand is counted where a limit is set alone.
FUNCTION = """
    CREATE FUNCTION queue_of_job(asked text, job_type text, silent_after double precision) RETURNS TABLE (
        paused_at timestamptz, paused_whole boolean, paused_by text, paused_for text,
        most integer, in_hand bigint, most_of_own integer, own_in_hand bigint,
        rate_count integer, rate_seconds double precision, own_rate_count integer, own_rate_seconds double precision,
        workers bigint, workers_that_know_the_type bigint, known_in text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
        WITH me AS (
            SELECT nullif(current_setting('singr.organization_id', true), '')::uuid AS id
        ), rule AS MATERIALIZED (
            SELECT * FROM queue_settings WHERE queue = asked AND for_organization IS NULL
        ), own AS MATERIALIZED (
            SELECT * FROM queue_settings WHERE queue = asked AND for_organization = (SELECT id FROM me)
        ), bound AS MATERIALIZED (
            SELECT (SELECT concurrency FROM rule) AS most,
                   COALESCE((SELECT concurrency FROM own), (SELECT concurrency_per_organization FROM rule)) AS of_own
        ), held AS MATERIALIZED (
            SELECT count(*) AS jobs, count(*) FILTER (WHERE j.organization_id = (SELECT id FROM me)) AS own_jobs
              FROM job_tickets AS t CROSS JOIN LATERAL unnest(t.ids) AS lies (id) JOIN jobs AS j ON j.id = lies.id
             WHERE t.queue = asked AND j.status = 'pending'
               AND (SELECT most IS NOT NULL OR of_own IS NOT NULL FROM bound)
        ), alive AS MATERIALIZED (
            SELECT queues, types FROM workers WHERE seen_at > now() - silent_after * interval '1 second'
        )
        SELECT pause.paused_at, pause.for_organization IS NULL, pause.paused_by, pause.paused_for,
               bound.most, held.jobs, bound.of_own, held.own_jobs,
               (SELECT r.rate_count FROM rule AS r), (SELECT r.rate_seconds FROM rule AS r),
               (SELECT o.rate_count FROM own AS o), (SELECT o.rate_seconds FROM own AS o),
               (SELECT count(*) FROM alive WHERE asked = ANY (queues)),
               (SELECT count(*) FROM alive WHERE asked = ANY (queues) AND job_type = ANY (types)),
               ARRAY(SELECT DISTINCT queue FROM alive CROSS JOIN LATERAL unnest(queues) AS queue
                      WHERE job_type = ANY (types) ORDER BY queue)
          FROM bound CROSS JOIN held
          LEFT JOIN LATERAL (
              SELECT * FROM rule WHERE rule.paused_at IS NOT NULL
              UNION ALL SELECT * FROM own WHERE own.paused_at IS NOT NULL LIMIT 1) AS pause ON true
    $function$
    """


def upgrade() -> None:
    op.execute(FUNCTION.replace("{schema}", _schema()))
    op.execute("REVOKE ALL ON FUNCTION queue_of_job(text, text, double precision) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION queue_of_job(text, text, double precision) TO singr_tenant")
    _PAUSES.downgrade()


def downgrade() -> None:
    _PAUSES.upgrade()
    op.execute("DROP FUNCTION queue_of_job(text, text, double precision)")


def _schema() -> str:
    schema: str = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    return schema
