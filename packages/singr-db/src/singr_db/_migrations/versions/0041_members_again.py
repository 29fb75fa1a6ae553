"""Members of flows that run again wait for those that do so before them; a flow that was over stays so for its rows."""

from importlib import import_module

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_FIRST = import_module("singr_db._migrations.versions.0028_flows")

# A flow that was over, and of which a member runs again, is over for retention and the audit: rows of its members may
# have gone, and nobody waits for them.
_OVER = "THEN coalesce(f.finished_at, moment) END"
_OVER_AGAIN = "THEN moment ELSE f.finished_at END"
_REOPENED = """f.cancelled - e.cancelled,
               finished_at = CASE WHEN f.cancelled_at IS NOT NULL THEN f.finished_at END
"""
_STILL_OVER = """f.cancelled - e.cancelled
"""

# Failed members are given back, any number of them at once, with their rows pending and nowhere placed. Each waits for
# whom it waited for, as far as these are to run again too; the completion job, for all others.
AGAIN = """
    CREATE FUNCTION requeue_members(members uuid[], theirs uuid[], moment timestamptz) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        {declared}
    BEGIN
        {locked}
        UPDATE flows AS f SET failed = f.failed - e.failed
          FROM (SELECT flow_id, count(*) AS failed FROM unnest(theirs) AS e (flow_id) GROUP BY flow_id) AS e
         WHERE f.id = e.flow_id AND (own IS NULL OR f.organization_id = own);
        UPDATE job_waiting AS w SET waits_for = w.waits_for + e.waits
          FROM (SELECT d.successor, count(*) AS waits FROM unnest(members, theirs) AS e (id, flow_id)
                  JOIN job_dependencies AS d ON d.predecessor = e.id
                  JOIN flows AS f ON f.id = e.flow_id AND f.on_failure = 'continue'
                 GROUP BY d.successor) AS e
         WHERE w.id = e.successor AND (own IS NULL OR w.organization_id = own);
        WITH again AS MATERIALIZED (
            SELECT j.id, j.flow_id, j.queue, j.organization_id, CASE WHEN j.solo THEN 9 ELSE j.priority END AS rank,
                   j.run_at, j.type, j.concurrency_key,
                   (j.id IS NOT DISTINCT FROM f.completion_job_id
                    AND f.completed + f.failed + f.cancelled < f.total - 1)::integer + (
                       SELECT count(*) FROM job_dependencies AS d JOIN jobs AS p ON p.id = d.predecessor
                        WHERE d.successor = j.id
                          AND (p.status = 'pending' OR (f.on_failure = 'stop' AND p.status <> 'completed'))) AS ahead
              FROM jobs AS j JOIN flows AS f ON f.id = j.flow_id
             WHERE j.id = ANY (members) AND j.status = 'pending' AND (own IS NULL OR j.organization_id = own)
        ), waits AS (
            INSERT INTO job_waiting (id, flow_id, waits_for, queue, organization_id, priority, run_at, type, key)
            SELECT id, flow_id, ahead, queue, organization_id, rank, run_at, type, concurrency_key FROM again
             WHERE ahead > 0
            ON CONFLICT DO NOTHING
        ), keyed AS (
            INSERT INTO job_keyed (run_at, id, queue, organization_id, priority, type, key)
            SELECT run_at, id, queue, organization_id, rank, type, concurrency_key FROM again
             WHERE ahead <= 0 AND concurrency_key IS NOT NULL
            ON CONFLICT DO NOTHING
        )
        INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
        SELECT queue, organization_id, rank, run_at, id, type FROM again WHERE ahead <= 0 AND concurrency_key IS NULL
        ON CONFLICT DO NOTHING;
        RETURN QUERY SELECT * FROM go_on(theirs, NULL, moment);
    END
    $function$
"""
SIGNATURE = "requeue_members(uuid[], uuid[], timestamptz)"


def _define(function: str) -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for name, text in {**_FIRST.SHARED, "schema": schema}.items():
        function = function.replace(f"{{{name}}}", text)
    op.execute(function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))


def _first(name: str) -> str:
    [function] = [one for one in _FIRST.FUNCTIONS if f"FUNCTION {name}(" in one]
    return str(function)


def upgrade() -> None:
    ended, settled = _first("end_members"), _first("settle_members")
    assert _OVER in ended  # noqa: S101 - else this changes nothing
    assert _REOPENED in settled  # noqa: S101 - likewise
    _define(ended.replace(_OVER, _OVER_AGAIN))
    _define(settled.replace(_REOPENED, _STILL_OVER))
    _define(AGAIN)
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    _define(_first("settle_members"))
    _define(_first("end_members"))
