"""Flows: jobs that wait for others of theirs, counted as they end, and a job at the end of all."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

TENANT = "(SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"

TABLES = (
    """
    CREATE TABLE flows (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        name TEXT NOT NULL,
        on_failure TEXT DEFAULT 'stop' NOT NULL,
        total INTEGER DEFAULT 0 NOT NULL,
        completed INTEGER DEFAULT 0 NOT NULL,
        failed INTEGER DEFAULT 0 NOT NULL,
        cancelled INTEGER DEFAULT 0 NOT NULL,
        completion_job_id UUID,
        created_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        closed_at TIMESTAMP WITH TIME ZONE,
        cancelled_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        state TEXT GENERATED ALWAYS AS (
            CASE WHEN cancelled_at IS NOT NULL THEN 'cancelled'
                 WHEN on_failure = 'stop' AND failed > 0 THEN 'failed'
                 WHEN closed_at IS NULL THEN 'open'
                 WHEN completed + failed + cancelled < total THEN 'running'
                 ELSE 'completed' END) STORED NOT NULL,
        CONSTRAINT pk_flows PRIMARY KEY (id),
        CONSTRAINT ck_flows_on_failure CHECK (on_failure IN ('stop', 'continue'))
    )
    """,
    "CREATE INDEX flows_by_organization ON flows (organization_id, id)",
    "CREATE INDEX flows_unfinished ON flows (id) WHERE finished_at IS NULL",
    "CREATE INDEX flows_to_cancel ON flows (id) WHERE finished_at IS NULL AND cancelled_at IS NOT NULL",
    "CREATE INDEX flows_finished ON flows (finished_at) WHERE finished_at IS NOT NULL",
    """
    CREATE TABLE job_dependencies (
        predecessor UUID NOT NULL,
        successor UUID NOT NULL,
        flow_id UUID NOT NULL,
        organization_id UUID NOT NULL,
        CONSTRAINT pk_job_dependencies PRIMARY KEY (predecessor, successor)
    )
    """,
    "CREATE INDEX job_dependencies_by_successor ON job_dependencies (successor, predecessor)",
    "CREATE INDEX job_dependencies_by_flow ON job_dependencies (flow_id)",
    """
    CREATE TABLE job_waiting (
        id UUID NOT NULL,
        flow_id UUID NOT NULL,
        waits_for INTEGER NOT NULL,
        queue TEXT NOT NULL,
        organization_id UUID NOT NULL,
        priority SMALLINT NOT NULL,
        run_at TIMESTAMP WITH TIME ZONE NOT NULL,
        type TEXT NOT NULL,
        key TEXT,
        CONSTRAINT pk_job_waiting PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX job_waiting_by_flow ON job_waiting (flow_id)",
    # One that waits for a hundred thousand is written for each batch of these: on its page, and with room there.
    (
        "ALTER TABLE job_waiting SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,"
        " autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0)"
    ),
    "ALTER TABLE flows SET (fillfactor = 50)",
    *(
        statement
        for table in ("flows", "job_dependencies", "job_waiting")
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            (
                f"CREATE POLICY tenant ON {table} TO singr_tenant"
                f" USING (organization_id = {TENANT}) WITH CHECK (organization_id = {TENANT})"
            ),
        )
    ),
    *(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO singr_tenant" for table in ("flows", "job_dependencies")),
    # As with all places: tenants take them away, by the functions below, and nobody but the platform gives them.
    "GRANT SELECT, DELETE ON job_waiting TO singr_tenant",
)
JOBS = (
    "ALTER TABLE jobs ADD COLUMN flow_id UUID",
    "CREATE INDEX jobs_by_flow ON jobs (flow_id, id) WHERE flow_id IS NOT NULL",
    "DROP TRIGGER place_job ON jobs",
    """
    CREATE TRIGGER place_job AFTER INSERT ON jobs
        FOR EACH ROW WHEN (NEW.status = 'pending' AND NOT NEW.placed AND NEW.flow_id IS NULL)
        EXECUTE FUNCTION place_job()
    """,
    """
    CREATE TRIGGER place_member AFTER INSERT ON jobs
        FOR EACH ROW WHEN (NEW.status = 'pending' AND NOT NEW.placed AND NEW.flow_id IS NOT NULL)
        EXECUTE FUNCTION place_member()
    """,
)

# What all of them share. A session behind the fence means its own organization, whatever it names. Flows are locked in
# id order, whoever changes what; and from there on nothing waits for a job's row, which whoever ends one has locked
# when they come here. Each statement that follows sees what was committed while this one waited.
SHARED = {
    "declared": "own uuid := nullif(current_setting('singr.organization_id', true), '')::uuid;",
    "own": "(own IS NULL OR organization_id = own)",
    "locked": "PERFORM FROM flows WHERE id = ANY (theirs) AND (own IS NULL OR organization_id = own)"
    " ORDER BY id FOR UPDATE;",
}

FUNCTIONS = (
    # A member gets its place as it comes: with its flow locked, nobody it waits for ends unseen.
    """
    CREATE FUNCTION place_member() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        mine record;
        ahead integer;
        rank smallint := CASE WHEN NEW.solo THEN 9 ELSE NEW.priority END;
    BEGIN
        SELECT * INTO mine FROM flows
         WHERE id = NEW.flow_id AND organization_id = NEW.organization_id FOR UPDATE;
        IF NOT FOUND OR mine.closed_at IS NOT NULL OR mine.cancelled_at IS NOT NULL THEN
            RAISE check_violation USING MESSAGE = 'a job''s flow_id must name an open flow of its organization',
                TABLE = 'jobs', COLUMN = 'flow_id';
        END IF;
        SELECT count(*) INTO ahead FROM job_dependencies AS d JOIN jobs AS p ON p.id = d.predecessor
         WHERE d.successor = NEW.id
           AND (p.status = 'pending' OR (mine.on_failure = 'stop' AND p.status <> 'completed'));
        IF NEW.id = mine.completion_job_id THEN
            ahead := ahead + 1;
        END IF;
        IF ahead > 0 THEN
            INSERT INTO job_waiting (id, flow_id, waits_for, queue, organization_id, priority, run_at, type, key)
            VALUES (NEW.id, NEW.flow_id, ahead, NEW.queue, NEW.organization_id, rank, NEW.run_at, NEW.type,
                    NEW.concurrency_key)
            ON CONFLICT DO NOTHING;
        ELSIF NEW.concurrency_key IS NOT NULL THEN
            INSERT INTO job_keyed (run_at, id, queue, organization_id, priority, type, key)
            VALUES (NEW.run_at, NEW.id, NEW.queue, NEW.organization_id, rank, NEW.type, NEW.concurrency_key)
            ON CONFLICT DO NOTHING;
        ELSIF NEW.run_at > NEW.created_at THEN
            INSERT INTO job_later (run_at, id, queue, organization_id, priority, type)
            VALUES (NEW.run_at, NEW.id, NEW.queue, NEW.organization_id, rank, NEW.type)
            ON CONFLICT DO NOTHING;
        ELSE
            INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
            VALUES (NEW.queue, NEW.organization_id, rank, NEW.run_at, NEW.id, NEW.type)
            ON CONFLICT DO NOTHING;
        END IF;
        RETURN NULL;
    END
    $function$
    """,
    # What waits for nobody any more moves to where it is taken from, unless its flow stands; answers the queues. The
    # completion job waits for one more than its predecessors: that all others have ended. A job is due when it moves,
    # but for one whose row somebody has locked: who cancels it waits for us.
    """
    CREATE FUNCTION go_on(theirs uuid[], among uuid[], moment timestamptz) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        {declared}
        free uuid[];
        due uuid[];
    BEGIN
        {locked}
        UPDATE job_waiting AS w SET waits_for = w.waits_for - 1 FROM flows AS f
         WHERE f.id = ANY (theirs) AND w.id = f.completion_job_id AND f.closed_at IS NOT NULL
           AND f.state = 'running' AND (own IS NULL OR f.organization_id = own)
           AND CASE f.on_failure WHEN 'stop' THEN f.completed ELSE f.completed + f.failed + f.cancelled END
               = f.total - 1;
        free := ARRAY(
            SELECT w.id FROM job_waiting AS w JOIN flows AS f ON f.id = w.flow_id
             WHERE w.flow_id = ANY (theirs) AND among IS NULL AND w.waits_for <= 0
               AND f.state IN ('open', 'running') AND (own IS NULL OR f.organization_id = own)
            UNION ALL
            SELECT w.id FROM job_waiting AS w JOIN flows AS f ON f.id = w.flow_id
             WHERE w.id = ANY (among || ARRAY(SELECT completion_job_id FROM flows WHERE id = ANY (theirs)))
               AND among IS NOT NULL AND w.waits_for <= 0
               AND f.state IN ('open', 'running') AND (own IS NULL OR f.organization_id = own));
        IF cardinality(free) = 0 THEN
            RETURN;
        END IF;
        WITH now_due AS (
            UPDATE jobs SET run_at = moment
             WHERE id = ANY (ARRAY(SELECT id FROM jobs WHERE id = ANY (free) AND run_at <= moment
                                      AND status = 'pending' FOR UPDATE SKIP LOCKED))
               AND id = ANY (free)
            RETURNING id
        )
        SELECT coalesce(array_agg(id), ARRAY[]::uuid[]) INTO due FROM now_due;
        RETURN QUERY
        WITH moved AS (
            DELETE FROM job_waiting AS w WHERE w.id = ANY (free)
            RETURNING w.id, w.queue, w.organization_id, w.priority, w.run_at, w.type, w.key
        ), told AS MATERIALIZED (
            SELECT m.*, d.id IS NOT NULL AS is_due FROM moved AS m LEFT JOIN unnest(due) AS d (id) ON d.id = m.id
        ), readied AS (
            INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
            SELECT t.queue, t.organization_id, t.priority, CASE WHEN is_due THEN moment ELSE t.run_at END, t.id, t.type
              FROM told AS t WHERE t.run_at <= moment AND t.key IS NULL
            ON CONFLICT DO NOTHING
        ), keyed AS (
            INSERT INTO job_keyed (run_at, id, queue, organization_id, priority, type, key)
            SELECT CASE WHEN is_due THEN moment ELSE t.run_at END, t.id, t.queue, t.organization_id, t.priority, t.type,
                   t.key
              FROM told AS t WHERE t.key IS NOT NULL
            ON CONFLICT DO NOTHING
        ), deferred AS (
            INSERT INTO job_later (run_at, id, queue, organization_id, priority, type)
            SELECT t.run_at, t.id, t.queue, t.organization_id, t.priority, t.type FROM told AS t
             WHERE t.run_at > moment AND t.key IS NULL
            ON CONFLICT DO NOTHING
        )
        SELECT DISTINCT told.queue FROM told;
    END
    $function$
    """,
    # Members have ended, however: they are counted, and what waited for them alone goes on. Where nothing may fail, who
    # waits for a member waits for its success, and one that was cancelled takes the whole flow along (`FlowKeeper`).
    """
    CREATE FUNCTION end_members(ended uuid[], theirs uuid[], statuses text[], moment timestamptz) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        {declared}
        free uuid[];
    BEGIN
        {locked}
        UPDATE flows AS f
           SET completed = f.completed + e.completed, failed = f.failed + e.failed,
               cancelled = f.cancelled + e.cancelled,
               cancelled_at = CASE WHEN f.on_failure = 'stop' AND e.cancelled > 0
                                   THEN coalesce(f.cancelled_at, moment) ELSE f.cancelled_at END,
               finished_at = CASE WHEN (f.closed_at IS NOT NULL OR f.cancelled_at IS NOT NULL
                                        OR (f.on_failure = 'stop' AND e.cancelled > 0))
                                   AND (f.on_failure = 'continue' OR f.cancelled_at IS NOT NULL OR e.cancelled > 0
                                        OR f.failed + e.failed = 0)
                                   AND f.completed + f.failed + f.cancelled + e.ended >= f.total
                                  THEN coalesce(f.finished_at, moment) END
          FROM (SELECT flow_id, count(*) AS ended, count(*) FILTER (WHERE status = 'completed') AS completed,
                       count(*) FILTER (WHERE status = 'failed') AS failed,
                       count(*) FILTER (WHERE status = 'cancelled') AS cancelled
                  FROM unnest(theirs, statuses) AS e (flow_id, status) GROUP BY flow_id) AS e
         WHERE f.id = e.flow_id AND (own IS NULL OR f.organization_id = own);
        WITH lowered AS (
            UPDATE job_waiting AS w SET waits_for = w.waits_for - e.freed
              FROM (SELECT d.successor, count(*) AS freed
                      FROM unnest(ended, theirs, statuses) AS e (id, flow_id, status)
                      JOIN job_dependencies AS d ON d.predecessor = e.id
                      JOIN flows AS f ON f.id = e.flow_id
                     WHERE e.status = 'completed' OR f.on_failure = 'continue'
                     GROUP BY d.successor) AS e
             WHERE w.id = e.successor AND (own IS NULL OR w.organization_id = own)
            RETURNING w.id, w.waits_for
        )
        SELECT coalesce(array_agg(id), ARRAY[]::uuid[]) INTO free FROM lowered WHERE waits_for <= 0;
        RETURN QUERY SELECT * FROM go_on(theirs, free, moment);
    END
    $function$
    """,
    # Letters of members that had failed are settled. Those that run again are to end once more, and who waits still
    # waits for that; of a flow that stands because of one that is given up, the rest is cancelled.
    """
    CREATE FUNCTION settle_members(members uuid[], theirs uuid[], states text[], moment timestamptz)
        RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        {declared}
    BEGIN
        {locked}
        UPDATE flows AS f SET failed = f.failed - e.failed, cancelled = f.cancelled - e.cancelled,
               finished_at = CASE WHEN f.cancelled_at IS NOT NULL THEN f.finished_at END
          FROM (SELECT flow_id, count(*) FILTER (WHERE state = 'requeued') AS failed,
                       count(*) FILTER (WHERE state = 'revived') AS cancelled
                  FROM unnest(theirs, states) AS e (flow_id, state)
                 WHERE state IN ('requeued', 'revived') GROUP BY flow_id) AS e
         WHERE f.id = e.flow_id AND (own IS NULL OR f.organization_id = own);
        UPDATE job_waiting AS w SET waits_for = w.waits_for + e.waits
          FROM (SELECT d.successor, count(*) AS waits FROM unnest(members, theirs, states) AS e (id, flow_id, state)
                  JOIN job_dependencies AS d ON d.predecessor = e.id
                  JOIN flows AS f ON f.id = e.flow_id AND f.on_failure = 'continue'
                 WHERE e.state IN ('requeued', 'revived') GROUP BY d.successor) AS e
         WHERE w.id = e.successor AND (own IS NULL OR w.organization_id = own);
        UPDATE flows AS f SET cancelled_at = moment,
               finished_at = CASE WHEN completed + failed + cancelled = total THEN moment END
         WHERE f.id = ANY (theirs) AND f.state = 'failed' AND f.cancelled_at IS NULL
           AND (own IS NULL OR f.organization_id = own)
           AND EXISTS (SELECT FROM unnest(theirs, states) AS e (flow_id, state)
                        WHERE e.flow_id = f.id AND e.state IN ('discarded', 'expired'));
        RETURN QUERY SELECT * FROM go_on(theirs, NULL, moment);
    END
    $function$
    """,
    # Where members wait that shall be cancelled: their places are taken away as they are once their flows are locked.
    """
    CREATE FUNCTION take_members(asked uuid[], theirs uuid[]) RETURNS SETOF uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        {declared}
    BEGIN
        {locked}
        RETURN QUERY
        WITH j AS MATERIALIZED (
            SELECT queue, organization_id, priority, solo, run_at, id, type, concurrency_key FROM jobs
             WHERE id = ANY (asked) AND status = 'pending' AND {own}
        ), unreadied AS (
            DELETE FROM job_ready AS place USING j
             WHERE place.queue = j.queue AND place.organization_id = j.organization_id
               AND place.priority IN (8, CASE WHEN j.solo THEN 9 ELSE j.priority END)
               AND place.run_at = j.run_at AND place.id = j.id
            RETURNING place.id
        ), undeferred AS (
            DELETE FROM job_later AS place USING j WHERE place.run_at = j.run_at AND place.id = j.id RETURNING place.id
        ), unkeyed AS (
            DELETE FROM job_keyed AS place USING j WHERE place.run_at = j.run_at AND place.id = j.id RETURNING place.id
        ), unparked AS (
            DELETE FROM job_parked AS place USING j
             WHERE place.organization_id = j.organization_id AND place.type = j.type AND place.key = j.concurrency_key
               AND place.priority IN (j.priority, 9) AND place.run_at = j.run_at AND place.id = j.id
            RETURNING place.id
        ), unwaited AS (
            DELETE FROM job_waiting AS place USING j WHERE place.id = j.id RETURNING place.id
        )
        SELECT id FROM unreadied UNION ALL SELECT id FROM undeferred UNION ALL SELECT id FROM unkeyed
        UNION ALL SELECT id FROM unparked UNION ALL SELECT id FROM unwaited;
    END
    $function$
    """,
)
SIGNATURES = (
    "go_on(uuid[], uuid[], timestamptz)",
    "end_members(uuid[], uuid[], text[], timestamptz)",
    "settle_members(uuid[], uuid[], text[], timestamptz)",
    "take_members(uuid[], uuid[])",
)


def upgrade() -> None:
    connection = op.get_bind()
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    lock_patiently("jobs")
    for statement in TABLES:
        op.execute(statement)
    for function in FUNCTIONS:
        for name, text in {**SHARED, "schema": schema}.items():
            function = function.replace(f"{{{name}}}", text)  # noqa: PLW2901 - the same one, filled in
        op.execute(function)
    op.execute("REVOKE ALL ON FUNCTION place_member() FROM PUBLIC")
    for signature in SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO singr_tenant")
    for statement in JOBS:
        op.execute(statement)


def downgrade() -> None:
    lock_patiently("jobs")
    for statement in (
        # What its flow's failure or cancellation keeps from running is not to run: whoever takes it cancels it.
        """
        UPDATE jobs SET cancel_requested = true FROM flows AS f WHERE jobs.flow_id = f.id AND jobs.status = 'pending'
           AND (f.state = 'cancelled' OR (f.state = 'failed' AND jobs.id IN (SELECT id FROM job_waiting)))
        """,
        # What waits for others would wait for ever: the release before knows no flows, and runs it.
        """
        INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
        SELECT queue, organization_id, priority, run_at, id, type FROM job_waiting WHERE run_at <= now() AND key IS NULL
        """,
        """
        INSERT INTO job_later (run_at, id, queue, organization_id, priority, type)
        SELECT run_at, id, queue, organization_id, priority, type FROM job_waiting WHERE run_at > now() AND key IS NULL
        """,
        """
        INSERT INTO job_keyed (run_at, id, queue, organization_id, priority, type, key)
        SELECT run_at, id, queue, organization_id, priority, type, key FROM job_waiting WHERE key IS NOT NULL
        """,
        *(f"DROP TRIGGER {name} ON jobs" for name in ("place_member", "place_job")),
        """
        CREATE TRIGGER place_job AFTER INSERT ON jobs
            FOR EACH ROW WHEN (NEW.status = 'pending' AND NOT NEW.placed) EXECUTE FUNCTION place_job()
        """,
        "DROP FUNCTION place_member()",
        *(f"DROP FUNCTION {signature}" for signature in SIGNATURES),
        "DROP INDEX jobs_by_flow",
        "ALTER TABLE jobs DROP COLUMN flow_id",
        "DROP TABLE job_waiting, job_dependencies, flows",
    ):
        op.execute(statement)
