"""What waits, and what workers have in hand, lies beside the jobs, whose rows are written when they come and end."""

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TENANT = "(SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
WAITING = ("job_ready", "job_later")

TABLES = (
    """
    CREATE TABLE job_ready (
        queue TEXT NOT NULL,
        organization_id UUID NOT NULL,
        priority SMALLINT NOT NULL,
        run_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        type TEXT NOT NULL,
        CONSTRAINT pk_job_ready PRIMARY KEY (queue, organization_id, priority, run_at, id)
    )
    """,
    "CREATE INDEX job_ready_apart ON job_ready (priority, run_at) WHERE priority > 2",
    """
    CREATE TABLE job_later (
        run_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        queue TEXT NOT NULL,
        organization_id UUID NOT NULL,
        priority SMALLINT NOT NULL,
        type TEXT NOT NULL,
        CONSTRAINT pk_job_later PRIMARY KEY (run_at, id)
    )
    """,
    """
    CREATE TABLE job_tickets (
        token BIGINT NOT NULL,
        queue TEXT NOT NULL,
        ids UUID[] NOT NULL,
        state TEXT NOT NULL,
        leased_until TIMESTAMP WITH TIME ZONE NOT NULL,
        worker TEXT NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_job_tickets PRIMARY KEY (token),
        CONSTRAINT ck_job_tickets_state CHECK (state IN ('travelling', 'ahead', 'working'))
    )
    """,
    # Whoever does what one at a time should do locks a row: anybody may hold an advisory lock, this only the platform.
    "CREATE TABLE job_gates (name TEXT NOT NULL, CONSTRAINT pk_job_gates PRIMARY KEY (name))",
    # Ids are random for the most part: what packing them saves is not worth its time.
    "ALTER TABLE job_tickets ALTER COLUMN ids SET STORAGE EXTERNAL",
)

# Rows live for moments: a table of ten thousand that turn over in a second is full of dead ones long before a fifth of
# it has changed, and every take would step over them.
VACUUM = (
    *(
        f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,"
        " autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0)"
        for table in WAITING
    ),
    """
    ALTER TABLE job_tickets SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0)
    """,
)

# Tenants cancel what waits, by taking its place away. Nobody but the platform gives a place or sees a ticket.
FENCE = (
    *(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY" for table in (*WAITING, "job_tickets", "job_gates")),
    *(
        f"CREATE POLICY tenant ON {table} TO singr_tenant"
        f" USING (organization_id = {TENANT}) WITH CHECK (organization_id = {TENANT})"
        for table in WAITING
    ),
    *(f"GRANT SELECT, DELETE ON {table} TO singr_tenant" for table in WAITING),
)

# Whoever inserts a job without a word of its place gets it one: services with a role of their own, which may write jobs
# and nothing else, the release before, and rows written by hand. Ingestion says that it does so itself.
# "Later" is reckoned between two columns: this function sees no clock that a session has turned.
FUNCTIONS = (
    """
    CREATE FUNCTION place_job() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    BEGIN
        IF NEW.run_at > NEW.created_at THEN
            INSERT INTO job_later (run_at, id, queue, organization_id, priority, type)
            VALUES (NEW.run_at, NEW.id, NEW.queue, NEW.organization_id, CASE WHEN NEW.solo THEN 9 ELSE NEW.priority END,
                    NEW.type)
            ON CONFLICT DO NOTHING;
        ELSE
            INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
            VALUES (NEW.queue, NEW.organization_id, CASE WHEN NEW.solo THEN 9 ELSE NEW.priority END, NEW.run_at, NEW.id,
                    NEW.type)
            ON CONFLICT DO NOTHING;
        END IF;
        RETURN NULL;
    END
    $function$
    """,
    # Which of an organization's jobs somebody works on, of these or of all.
    """
    CREATE FUNCTION running_jobs(among uuid[]) RETURNS TABLE (id uuid, started_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
        SELECT jobs.id, t.started_at
          FROM job_tickets AS t CROSS JOIN LATERAL unnest(t.ids) AS held (id) JOIN jobs ON jobs.id = held.id
         WHERE t.state <> 'travelling' AND (among IS NULL OR held.id = ANY (among)) AND jobs.status = 'pending'
           AND jobs.organization_id = nullif(current_setting('singr.organization_id', true), '')::uuid
    $function$
    """,
)
RIGHTS = (
    "REVOKE ALL ON FUNCTION place_job() FROM PUBLIC",
    "REVOKE ALL ON FUNCTION running_jobs(uuid[]) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION running_jobs(uuid[]) TO singr_tenant",
)
TRIGGER = """
    CREATE TRIGGER place_job AFTER INSERT ON jobs
        FOR EACH ROW WHEN (NEW.status = 'pending' AND NOT NEW.placed) EXECUTE FUNCTION place_job()
"""

# The status lies in no index, so that the one update at a job's end stays on its page. Where an attempt failed, the
# error does: it is written once in a while.
JOBS = (
    "ALTER TABLE jobs ADD COLUMN placed BOOLEAN DEFAULT false NOT NULL",
    *(f"DROP INDEX {name}" for name in ("jobs_due", "jobs_solo", "jobs_leased", "jobs_failed")),
    "CREATE INDEX jobs_in_error ON jobs (organization_id, id) WHERE error IS NOT NULL",
)
# What a worker of the release before has in hand goes on as its ticket, which only silence ends: it may not write any
# more what became of it. An attempt counts at its end now.
MOVED = (
    """
    INSERT INTO job_tickets (token, queue, ids, state, leased_until, worker, started_at)
    SELECT lease_token, queue, array_agg(id), 'working', max(leased_until), coalesce(min(worker), 'unknown'),
           coalesce(min(started_at), now())
      FROM jobs WHERE status = 'processing' GROUP BY lease_token, queue
    """,
    "UPDATE jobs SET status = 'pending', attempt = attempt - 1 WHERE status = 'processing'",
    "UPDATE jobs SET status = 'pending', lease_token = NULL, leased_until = NULL WHERE status = 'dispatched'",
    """
    INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
    SELECT queue, organization_id, CASE WHEN solo THEN 9 ELSE priority END, run_at, id, type FROM jobs
     WHERE status = 'pending' AND run_at <= now() AND id NOT IN (SELECT unnest(ids) FROM job_tickets)
    """,
    """
    INSERT INTO job_later (run_at, id, queue, organization_id, priority, type)
    SELECT run_at, id, queue, organization_id, CASE WHEN solo THEN 9 ELSE priority END, type FROM jobs
     WHERE status = 'pending' AND run_at > now() AND id NOT IN (SELECT unnest(ids) FROM job_tickets)
    """,
    "ALTER TABLE jobs DROP CONSTRAINT ck_jobs_status",
    "ALTER TABLE jobs ADD CONSTRAINT ck_jobs_status CHECK (status IN ('pending', 'completed', 'failed', 'cancelled'))",
)
PARTITIONS = """
    SELECT relid::regclass::text FROM pg_partition_tree('jobs') WHERE isleaf
"""


def upgrade() -> None:
    connection = op.get_bind()
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    lock_patiently("jobs")
    for statement in (*TABLES, *VACUUM, *FENCE, *MOVED, *JOBS):
        op.execute(statement)
    for partition in connection.exec_driver_sql(PARTITIONS).scalars().all():
        op.execute(f"ALTER TABLE {partition} SET (fillfactor = 50)")
    for function in FUNCTIONS:
        op.execute(function.replace("{schema}", schema))
    for statement in (*RIGHTS, TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    lock_patiently("jobs")
    for statement in (
        "DROP TRIGGER place_job ON jobs",
        "DROP FUNCTION place_job()",
        "DROP FUNCTION running_jobs(uuid[])",
        "ALTER TABLE jobs DROP CONSTRAINT ck_jobs_status",
        """
        ALTER TABLE jobs ADD CONSTRAINT ck_jobs_status
            CHECK (status IN ('pending', 'dispatched', 'processing', 'completed', 'failed', 'cancelled'))
        """,
        # A ticket of the release before is a lease on the job's row; its attempt has begun.
        """
        UPDATE jobs SET status = 'processing', attempt = attempt + 1, lease_token = t.token, worker = t.worker,
               leased_until = t.leased_until, started_at = t.started_at
          FROM job_tickets AS t WHERE jobs.id = ANY (t.ids) AND t.state <> 'travelling' AND jobs.status = 'pending'
        """,
        "DROP INDEX jobs_in_error",
        "ALTER TABLE jobs DROP COLUMN placed",
        """
        CREATE INDEX jobs_due ON jobs (queue, organization_id, priority, run_at) WHERE status = 'pending' AND NOT solo
        """,
        "CREATE INDEX jobs_solo ON jobs (run_at) WHERE status = 'pending' AND solo",
        "CREATE INDEX jobs_failed ON jobs (organization_id, id) WHERE status = 'failed'",
        "CREATE INDEX jobs_leased ON jobs (leased_until) WHERE status IN ('dispatched', 'processing')",
        "DROP TABLE job_gates",
        "DROP TABLE job_tickets",
        "DROP TABLE job_later",
        "DROP TABLE job_ready",
    ):
        op.execute(statement)
    for partition in op.get_bind().exec_driver_sql(PARTITIONS).scalars().all():
        op.execute(f"ALTER TABLE {partition} RESET (fillfactor)")
