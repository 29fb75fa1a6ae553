"""How many text messages went to one place in an hour, of all organizations together."""

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

FUNCTION = """
    CREATE FUNCTION count_sms(subject bytea, most integer) RETURNS boolean
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
        INSERT INTO sms_counts AS counted (subject_hash, window_start, count)
        SELECT subject, date_trunc('hour', now(), 'UTC'), 1
         WHERE most > 0 AND NOT EXISTS (  -- a count that is full is looked at, and not locked
               SELECT FROM sms_counts WHERE subject_hash = subject
                  AND window_start = date_trunc('hour', now(), 'UTC') AND count >= most)
        ON CONFLICT (subject_hash, window_start)
        DO UPDATE SET count = counted.count + 1 WHERE counted.count < most
        RETURNING true
    $function$
"""


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE sms_counts (
            subject_hash BYTEA NOT NULL,
            window_start TIMESTAMP WITH TIME ZONE NOT NULL,
            count INTEGER NOT NULL,
            CONSTRAINT pk_sms_counts PRIMARY KEY (subject_hash, window_start),
            CONSTRAINT ck_sms_counts_count CHECK (count >= 0)
        ) WITH (fillfactor = 50)
        """
    )
    # No policy and no grant: closed to tenants, who count by the function alone.
    op.execute("ALTER TABLE sms_counts ENABLE ROW LEVEL SECURITY")
    op.execute("CREATE INDEX ix_sms_counts_window_start ON sms_counts (window_start)")
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(FUNCTION.replace("{schema}", schema))
    op.execute("REVOKE ALL ON FUNCTION count_sms(bytea, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION count_sms(bytea, integer) TO singr_tenant")


def downgrade() -> None:
    op.execute("DROP FUNCTION count_sms(bytea, integer)")
    op.execute("DROP TABLE sms_counts")
