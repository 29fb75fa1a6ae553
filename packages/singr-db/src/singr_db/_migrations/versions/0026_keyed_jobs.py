"""Jobs with a key, the limits that they share, and where they wait."""

from importlib import import_module

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TENANT = "(SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
WAITING = ("job_keyed", "job_parked")
FENCED = (*WAITING, "job_slots", "job_starts", "job_key_holds")
CLOSED = ("job_limits",)

TABLES = (
    """
    CREATE TABLE job_keyed (
        run_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        queue TEXT NOT NULL,
        organization_id UUID NOT NULL,
        priority SMALLINT NOT NULL,
        type TEXT NOT NULL,
        key TEXT NOT NULL,
        CONSTRAINT pk_job_keyed PRIMARY KEY (run_at, id)
    )
    """,
    """
    CREATE TABLE job_parked (
        organization_id UUID NOT NULL,
        type TEXT NOT NULL,
        key TEXT NOT NULL,
        priority SMALLINT NOT NULL,
        run_at TIMESTAMP WITH TIME ZONE NOT NULL,
        id UUID NOT NULL,
        queue TEXT NOT NULL,
        CONSTRAINT pk_job_parked PRIMARY KEY (organization_id, type, key, priority, run_at, id)
    )
    """,
    """
    CREATE TABLE job_slots (
        job_id UUID NOT NULL,
        organization_id UUID NOT NULL,
        type TEXT NOT NULL,
        key TEXT NOT NULL,
        CONSTRAINT pk_job_slots PRIMARY KEY (job_id)
    )
    """,
    "CREATE INDEX job_slots_by_key ON job_slots (organization_id, type, key)",
    """
    CREATE TABLE job_starts (
        organization_id UUID NOT NULL,
        type TEXT NOT NULL,
        key TEXT NOT NULL,
        until TIMESTAMP WITH TIME ZONE NOT NULL,
        job_id UUID NOT NULL,
        CONSTRAINT pk_job_starts PRIMARY KEY (organization_id, type, key, until, job_id)
    )
    """,
    "CREATE INDEX job_starts_over ON job_starts (until)",
    """
    CREATE TABLE job_key_holds (
        organization_id UUID NOT NULL,
        type TEXT NOT NULL,
        key TEXT NOT NULL,
        until TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_job_key_holds PRIMARY KEY (organization_id, type, key)
    )
    """,
    "CREATE INDEX job_key_holds_over ON job_key_holds (until)",
    """
    CREATE TABLE job_limits (
        type TEXT NOT NULL,
        concurrency INTEGER,
        rate_count INTEGER,
        rate_seconds DOUBLE PRECISION,
        set_concurrency INTEGER,
        set_rate_count INTEGER,
        set_rate_seconds DOUBLE PRECISION,
        declared_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_job_limits PRIMARY KEY (type),
        CONSTRAINT ck_job_limits_concurrency CHECK (concurrency >= 1 AND set_concurrency >= 0),
        CONSTRAINT ck_job_limits_rate CHECK (rate_count >= 1 AND set_rate_count >= 1)
    )
    """,
)
# Rows live for moments, as those of `job_ready` do (0016).
VACUUM = tuple(
    f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,"
    " autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0)"
    for table in FENCED
)
# Tenants cancel what waits, by taking its place away. Nobody but the platform gives one, or lets a job through.
FENCE = (
    *(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY" for table in (*FENCED, *CLOSED)),
    *(
        f"CREATE POLICY tenant ON {table} TO singr_tenant"
        f" USING (organization_id = {TENANT}) WITH CHECK (organization_id = {TENANT})"
        for table in FENCED
    ),
    *(f"GRANT SELECT, DELETE ON {table} TO singr_tenant" for table in FENCED),
)

# As 0016 has it, for a job with a key as well.
PLACE = """
    CREATE OR REPLACE FUNCTION place_job() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    BEGIN{keyed}
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
"""
KEYED = """
        IF NEW.concurrency_key IS NOT NULL THEN
            INSERT INTO job_keyed (run_at, id, queue, organization_id, priority, type, key)
            VALUES (NEW.run_at, NEW.id, NEW.queue, NEW.organization_id, CASE WHEN NEW.solo THEN 9 ELSE NEW.priority END,
                    NEW.type, NEW.concurrency_key)
            ON CONFLICT DO NOTHING;
            RETURN NULL;
        END IF;"""
# Roles that may enqueue write the new column, too: `enqueue` names all of its columns.
GRANTS = """
    DO $grants$
    DECLARE
        name text;
    BEGIN
        FOR name IN SELECT DISTINCT pg_get_userbyid(one.grantee)
                      FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS one
                     WHERE a.attrelid = to_regclass('jobs') AND a.attname = 'unique_key'
                       AND one.privilege_type = 'INSERT' AND one.grantee <> 0
        LOOP
            EXECUTE format('GRANT INSERT (concurrency_key) ON jobs TO %I', name);
        END LOOP;
    END
    $grants$
"""
# What 0017 holds those roles to, with the bounds of a key.
_GUARDED = import_module("singr_db._migrations.versions.0017_guarded_jobs")
RULE = ("(NEW.concurrency_key IS NULL OR length(NEW.concurrency_key) BETWEEN 1 AND 255)", "1 to 255 characters")


def upgrade() -> None:
    lock_patiently("jobs")
    for statement in (*TABLES, *VACUUM, *FENCE, "ALTER TABLE jobs ADD COLUMN concurrency_key TEXT", GRANTS):
        op.execute(statement)
    op.execute(PLACE.replace("{schema}", _schema()).replace("{keyed}", KEYED))
    _guard({**_GUARDED.RULES, "concurrency_key": RULE})


def downgrade() -> None:
    lock_patiently("jobs")
    op.execute(PLACE.replace("{schema}", _schema()).replace("{keyed}", ""))
    _guard(_GUARDED.RULES)
    columns = "queue, organization_id, priority, run_at, id, type"
    for table in WAITING:
        for place, due in (("job_ready", "<="), ("job_later", ">")):
            given = f"SELECT {columns} FROM {table} WHERE run_at {due} now()"  # noqa: S608 - constants
            op.execute(f"INSERT INTO {place} ({columns}) {given} ON CONFLICT DO NOTHING")
    op.execute("ALTER TABLE jobs DROP COLUMN concurrency_key")
    for table in (*FENCED, *CLOSED):
        op.execute(f"DROP TABLE {table}")


def _guard(rules: dict[str, tuple[str, str]]) -> None:
    op.execute("DROP TRIGGER guard_job ON jobs")
    op.execute(_GUARDED.guard_function(rules).replace("{schema}", _schema()))
    op.execute(_GUARDED.guard_trigger(rules))


def _schema() -> str:
    schema: str = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    return schema
