"""What was done by the minute in each queue, added up over its types: whoever looks at three hours reads 180 rows."""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

TABLE = """
    CREATE TABLE queue_minutes (
        minute TIMESTAMP WITH TIME ZONE NOT NULL,
        queue TEXT NOT NULL,
        completed INTEGER NOT NULL,
        retried INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        waits INTEGER[] NOT NULL,
        runs INTEGER[] NOT NULL,
        CONSTRAINT pk_queue_minutes PRIMARY KEY (minute, queue)
    )
"""
# What the rows of `done`, such as `work_minutes` has, each with a sign, add up to by minute and queue; in the order of
# the key, so that whoever writes waits in turn.
_ADD_UP = """
        SELECT minute, queue, completed, retried, failed, waits, runs
          FROM (SELECT minute, queue, sum(sign * completed) AS completed, sum(sign * retried) AS retried,
                       sum(sign * failed) AS failed FROM done GROUP BY minute, queue) AS ends
          JOIN (SELECT minute, queue, array_agg(waits ORDER BY bucket) AS waits, array_agg(runs ORDER BY bucket) AS runs
                  FROM (SELECT minute, queue, bucket, sum(sign * w)::integer AS waits, sum(sign * r)::integer AS runs
                          FROM done CROSS JOIN unnest(waits, runs) WITH ORDINALITY AS counted (w, r, bucket)
                         GROUP BY minute, queue, bucket) AS by_bucket
                 GROUP BY minute, queue) AS times USING (minute, queue)
         ORDER BY minute, queue"""
_INTO = "INSERT INTO queue_minutes AS known (minute, queue, completed, retried, failed, waits, runs)"
# So far back whoever asks may look.
_THERE = "SELECT *, 1 AS sign FROM work_minutes WHERE minute > now() - interval '181 minutes'"
_PAIR = """ARRAY(SELECT a + b FROM unnest(known.{name}, excluded.{name}) WITH ORDINALITY AS pair (a, b, bucket)
                        ORDER BY bucket)"""
# A trigger, and not whoever writes: workers of the release before write as well.
FUNCTION = f"""
    CREATE FUNCTION add_up_minutes() RETURNS trigger
    LANGUAGE plpgsql SET search_path = {{schema}}, pg_temp
    AS $function$
    DECLARE
        came work_minutes[] := ARRAY(SELECT c FROM came AS c);
        went work_minutes[] := ARRAY[]::work_minutes[];
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            went := ARRAY(SELECT w FROM went AS w);
        END IF;
        WITH done AS MATERIALIZED (
            SELECT *, 1 AS sign FROM unnest(came) UNION ALL SELECT *, -1 FROM unnest(went)
        )
        {_INTO}
        {_ADD_UP}
        ON CONFLICT (minute, queue) DO UPDATE SET completed = known.completed + excluded.completed,
               retried = known.retried + excluded.retried, failed = known.failed + excluded.failed,
               waits = {_PAIR.format(name="waits")}, runs = {_PAIR.format(name="runs")};
        RETURN NULL;
    END
    $function$
"""  # noqa: S608 - constants
TRIGGERS = (
    """
    CREATE TRIGGER add_up_new AFTER INSERT ON work_minutes REFERENCING NEW TABLE AS came
       FOR EACH STATEMENT EXECUTE FUNCTION add_up_minutes()
    """,
    """
    CREATE TRIGGER add_up_changed AFTER UPDATE ON work_minutes REFERENCING NEW TABLE AS came OLD TABLE AS went
       FOR EACH STATEMENT EXECUTE FUNCTION add_up_minutes()
    """,
)


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(TABLE)
    op.execute("ALTER TABLE queue_minutes ENABLE ROW LEVEL SECURITY")
    op.execute("LOCK TABLE work_minutes IN SHARE ROW EXCLUSIVE MODE")  # what is written from here on, the trigger adds
    op.execute(f"WITH done AS MATERIALIZED ({_THERE}) {_INTO} {_ADD_UP}")
    op.execute(FUNCTION.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION add_up_minutes() FROM PUBLIC")
    for trigger in TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    op.execute("DROP TRIGGER add_up_new ON work_minutes")
    op.execute("DROP TRIGGER add_up_changed ON work_minutes")
    op.execute("DROP FUNCTION add_up_minutes()")
    op.execute("DROP TABLE queue_minutes")
