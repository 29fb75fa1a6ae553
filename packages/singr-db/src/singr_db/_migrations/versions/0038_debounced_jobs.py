"""A unique key is held for a time as well, and passes from a job to the one that takes its place."""

from importlib import import_module

from alembic import op

from singr_db.schema._locks import lock_patiently

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# As 0017 has it; and a key that is held for a time is held by a job that has ended, too, for a day at most, which is
# how long jobs are kept. A job that is tried again takes its own key, and holds it as long as before.
FORGET = """
    CREATE OR REPLACE FUNCTION forget_holder_that_is_gone() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        holder uuid;
        kept timestamptz;
    BEGIN
        IF NEW.until > now() + interval '1 day' THEN
            NEW.until := now() + interval '1 day';
        END IF;
        SELECT held.job_id INTO holder FROM job_unique_keys AS held
         WHERE held.organization_id = NEW.organization_id AND held.type = NEW.type AND held.unique_key = NEW.unique_key;
        IF holder IS NOT NULL THEN
            DELETE FROM job_unique_keys AS held
             WHERE held.organization_id = NEW.organization_id AND held.type = NEW.type
               AND held.unique_key = NEW.unique_key AND held.job_id = holder
               AND NOT EXISTS (SELECT FROM jobs
                                WHERE jobs.id = holder
                                  AND (jobs.status IN ('pending', 'dispatched', 'processing')
                                       OR (held.until > now() AND holder <> NEW.job_id))
                                  AND jobs.organization_id = NEW.organization_id AND jobs.type = NEW.type)
            RETURNING held.until INTO kept;
            IF holder = NEW.job_id THEN
                NEW.until := coalesce(NEW.until, kept);
            END IF;
        END IF;
        RETURN NEW;
    END
    $function$
"""
# Roles that may enqueue hold keys for a time, too.
GRANTS = """
    DO $grants$
    DECLARE
        name text;
    BEGIN
        FOR name IN SELECT DISTINCT pg_get_userbyid(one.grantee)
                      FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS one
                     WHERE a.attrelid = to_regclass('job_unique_keys') AND a.attname = 'job_id'
                       AND one.privilege_type = 'INSERT' AND one.grantee <> 0
        LOOP
            EXECUTE format('GRANT INSERT (until), SELECT (until) ON job_unique_keys TO %I', name);
        END LOOP;
    END
    $grants$
"""
_GUARDED = import_module("singr_db._migrations.versions.0017_guarded_jobs")


def upgrade() -> None:
    lock_patiently("jobs")
    op.execute("ALTER TABLE jobs ADD COLUMN replaced_by UUID")
    op.execute("ALTER TABLE job_unique_keys ADD COLUMN until TIMESTAMPTZ, ADD COLUMN due_by TIMESTAMPTZ")
    op.execute("CREATE INDEX job_unique_keys_over ON job_unique_keys (until) WHERE until IS NOT NULL")
    op.execute(FORGET.replace("{schema}", _schema()))
    op.execute(GRANTS)


def downgrade() -> None:
    lock_patiently("jobs")
    op.execute(_GUARDED.FORGET.replace("{schema}", _schema()).replace("{own}", _GUARDED.OWN))
    op.execute("ALTER TABLE job_unique_keys DROP COLUMN until, DROP COLUMN due_by")
    op.execute("ALTER TABLE jobs DROP COLUMN replaced_by")


def _schema() -> str:
    schema: str = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    return schema
