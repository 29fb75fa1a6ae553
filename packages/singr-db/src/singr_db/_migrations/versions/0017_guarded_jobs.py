"""A role that may only enqueue stores no job that the declarations would refuse, and its claims show nobody's job.

Not by checks of the table: what breaks a bound already could not be updated, and so not end, any more; and a partition
that is moved brings its old rows along. The trigger looks at rows as they come, of whoever row-level security holds.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def _visible(column: str, most: int) -> str:
    # Not as {1,128} in the expression: counting there takes ten times as long.
    return f"length(NEW.{column}) BETWEEN 1 AND {most} AND NEW.{column} !~ '[^!-~]'"


def _word(column: str) -> str:
    return f"(NEW.{column} IS NULL OR {_visible(column, 128)})"


def _when(column: str) -> str:
    # What Python has; fixed times, since the condition sees no clock that a session has turned.
    return f"NEW.{column} >= '0001-01-01T00:00Z' AND NEW.{column} < '10000-01-01T00:00Z'"


# What a job must be, column by column: by the bounds of `Queue`, `JobType`, `enqueue` and of callers of the API. Where
# a comparison is with the largest value, NaN is refused by it too: PostgreSQL has it above infinity.
RULES = {
    "queue": (
        "length(NEW.queue) <= 40 AND NEW.queue ~ '^[a-z][a-z0-9]*(-[a-z0-9]+)*$'",
        "lower-case words of letters and digits, joined by -, 40 characters at most",
    ),
    "type": (_visible("type", 100), "1 to 100 visible characters of ASCII, without spaces"),
    "max_attempts": ("NEW.max_attempts BETWEEN 1 AND 100", "1 to 100"),
    "backoff": ("NEW.backoff > 0 AND NEW.backoff <= 31622400", "above 0 and at most 31622400 seconds (366 days)"),
    "timeout": ("NEW.timeout > 0 AND NEW.timeout <= 86400", "above 0 and at most 86400 seconds (a day)"),
    "unique_key": ("(NEW.unique_key IS NULL OR length(NEW.unique_key) BETWEEN 1 AND 255)", "1 to 255 characters"),
    "run_at": (_when("run_at"), "in the years 1 to 9999"),
    "created_at": (_when("created_at"), "in the years 1 to 9999"),
    "correlation_id": (_word("correlation_id"), "1 to 128 visible characters of ASCII, without spaces"),
    "traceparent": (_word("traceparent"), "1 to 128 visible characters of ASCII, without spaces"),
}


def guard_function(rules: dict[str, tuple[str, str]]) -> str:
    refusals = "".join(
        f"""
        IF NOT ({holds}) THEN
            RAISE check_violation USING MESSAGE = 'a job''s {column} must be {words}',
                TABLE = 'jobs', COLUMN = '{column}';
        END IF;"""
        for column, (holds, words) in rules.items()
    )
    # Not SECURITY DEFINER: it asks who inserts. The owner is held by nothing: old rows come by it when they are moved.
    return f"""
    CREATE OR REPLACE FUNCTION guard_job() RETURNS trigger
    LANGUAGE plpgsql SET search_path = {{schema}}, pg_temp
    AS $function$
    BEGIN
        IF NOT row_security_active('jobs'::regclass) THEN
            RETURN NEW;
        END IF;{refusals}
        RETURN NEW;
    END
    $function$
"""


def guard_trigger(rules: dict[str, tuple[str, str]]) -> str:
    # Ingestion, whose values the API has looked at, says that it places its jobs itself; no such role may say that.
    return f"""
    CREATE TRIGGER guard_job BEFORE INSERT ON jobs FOR EACH ROW
        WHEN (NOT NEW.placed AND NOT ({" AND ".join(holds for holds, _ in rules.values())}))
        EXECUTE FUNCTION guard_job()
"""


# As 0011 has it. A claim is its writer's word: one that names a job of another organization or type holds nothing, and
# what becomes of it tells nothing about that job.
FORGET = """
    CREATE OR REPLACE FUNCTION forget_holder_that_is_gone() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        holder uuid;
    BEGIN
        SELECT held.job_id INTO holder FROM job_unique_keys AS held
         WHERE held.organization_id = NEW.organization_id AND held.type = NEW.type AND held.unique_key = NEW.unique_key;
        IF holder IS NOT NULL THEN
            DELETE FROM job_unique_keys AS held
             WHERE held.organization_id = NEW.organization_id AND held.type = NEW.type
               AND held.unique_key = NEW.unique_key AND held.job_id = holder
               AND NOT EXISTS (SELECT FROM jobs
                                WHERE jobs.id = holder AND jobs.status IN ('pending', 'dispatched', 'processing'){own});
        END IF;
        RETURN NEW;
    END
    $function$
"""
OWN = " AND jobs.organization_id = NEW.organization_id AND jobs.type = NEW.type"


def upgrade() -> None:
    schema = _schema()
    op.execute(guard_function(RULES).replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION guard_job() FROM PUBLIC")
    op.execute(guard_trigger(RULES))
    op.execute(FORGET.replace("{schema}", schema).replace("{own}", OWN))


def downgrade() -> None:
    op.execute("DROP TRIGGER guard_job ON jobs")
    op.execute("DROP FUNCTION guard_job()")
    op.execute(FORGET.replace("{schema}", _schema()).replace("{own}", ""))


def _schema() -> str:
    schema: str = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    return schema
