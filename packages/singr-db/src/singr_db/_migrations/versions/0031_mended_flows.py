"""Flows whose counts or members are not as they must be are found, told of, and mended."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# What is counted is compared with the members' rows, and mended: each line that it answers tells of a fault of ours.
MEND = """
    CREATE FUNCTION mend_flow(which uuid, moment timestamptz) RETURNS TABLE (problem text, queues text[])
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        mine record;
        there record;
        wrong integer;
        woken text[];
    BEGIN
        SELECT * INTO mine FROM flows WHERE id = which FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        SELECT count(*) AS total, count(*) FILTER (WHERE status = 'completed') AS completed,
               count(*) FILTER (WHERE status = 'failed') AS failed,
               count(*) FILTER (WHERE status = 'cancelled') AS cancelled
          INTO there FROM jobs WHERE flow_id = which;
        IF (mine.total, mine.completed, mine.failed, mine.cancelled)
           IS DISTINCT FROM (there.total::integer, there.completed::integer, there.failed::integer,
                             there.cancelled::integer) THEN
            UPDATE flows AS f SET total = there.total, completed = there.completed, failed = there.failed,
                   cancelled = there.cancelled,
                   finished_at = CASE WHEN (f.closed_at IS NOT NULL OR f.cancelled_at IS NOT NULL)
                                       AND (f.on_failure = 'continue' OR f.cancelled_at IS NOT NULL
                                            OR there.failed = 0)
                                       AND there.completed + there.failed + there.cancelled >= there.total
                                      THEN moment END
             WHERE id = which;
            RETURN QUERY SELECT concat('it counted ', concat_ws(', ', mine.total, mine.completed, mine.failed,
                mine.cancelled), ' of its members (in all, completed, failed, cancelled), and there are ',
                concat_ws(', ', there.total, there.completed, there.failed, there.cancelled)), ARRAY[]::text[];
        END IF;
        WITH waiting AS (
            SELECT w.id, w.waits_for, (w.id IS NOT DISTINCT FROM mine.completion_job_id)::integer + (
                       SELECT count(*) FROM job_dependencies AS d JOIN jobs AS p ON p.id = d.predecessor
                        WHERE d.successor = w.id
                          AND (p.status = 'pending' OR (mine.on_failure = 'stop' AND p.status <> 'completed'))
                   ) AS ahead
              FROM job_waiting AS w WHERE w.flow_id = which
        ), mended AS (
            UPDATE job_waiting AS w SET waits_for = waiting.ahead FROM waiting
             WHERE w.id = waiting.id AND w.waits_for <> waiting.ahead
            RETURNING w.id
        )
        SELECT count(*) INTO wrong FROM mended;
        IF wrong > 0 THEN
            RETURN QUERY SELECT concat(wrong, ' of its members waited for too many or too few'), ARRAY[]::text[];
        END IF;
        WITH nowhere AS (
            SELECT j.*, (
                       SELECT count(*) FROM job_dependencies AS d JOIN jobs AS p ON p.id = d.predecessor
                        WHERE d.successor = j.id
                          AND (p.status = 'pending' OR (mine.on_failure = 'stop' AND p.status <> 'completed'))
                   ) + (j.id IS NOT DISTINCT FROM mine.completion_job_id)::integer AS ahead
              FROM jobs AS j WHERE j.flow_id = which AND j.status = 'pending'
               AND NOT EXISTS (SELECT FROM job_waiting AS w WHERE w.id = j.id)
               AND NOT EXISTS (SELECT FROM job_ready AS r
                                WHERE r.queue = j.queue AND r.organization_id = j.organization_id
                                  AND r.priority IN (8, CASE WHEN j.solo THEN 9 ELSE j.priority END)
                                  AND r.run_at = j.run_at AND r.id = j.id)
               AND NOT EXISTS (SELECT FROM job_later AS l WHERE l.run_at = j.run_at AND l.id = j.id)
               AND NOT EXISTS (SELECT FROM job_keyed AS k WHERE k.run_at = j.run_at AND k.id = j.id)
               AND NOT EXISTS (SELECT FROM job_parked AS p
                                WHERE p.organization_id = j.organization_id AND p.type = j.type
                                  AND p.key = j.concurrency_key AND p.priority IN (j.priority, 9)
                                  AND p.run_at = j.run_at AND p.id = j.id)
               AND j.id NOT IN (SELECT unnest(ids) FROM job_tickets)
        ), placed AS (
            INSERT INTO job_waiting (id, flow_id, waits_for, queue, organization_id, priority, run_at, type, key)
            SELECT id, flow_id, ahead, queue, organization_id, CASE WHEN solo THEN 9 ELSE priority END, run_at, type,
                   concurrency_key
              FROM nowhere WHERE ahead > 0
            RETURNING id
        )
        SELECT count(*) INTO wrong FROM placed;
        IF wrong > 0 THEN
            RETURN QUERY SELECT concat(wrong, ' of its members lay nowhere'), ARRAY[]::text[];
        END IF;
        woken := ARRAY(SELECT * FROM go_on(ARRAY[which], NULL, moment));
        IF cardinality(woken) > 0 THEN
            RETURN QUERY SELECT 'what waited for nobody any more stood still'::text, woken;
        END IF;
    END
    $function$
"""


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(MEND.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION mend_flow(uuid, timestamptz) FROM PUBLIC")


def downgrade() -> None:
    op.execute("DROP FUNCTION mend_flow(uuid, timestamptz)")
