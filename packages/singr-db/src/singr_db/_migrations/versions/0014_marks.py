"""Nonces and idempotency keys are kept as marks; the release before goes on beside it.

What that release writes into its own tables is marked as well, and what is marked already is refused there: whichever
of the two a caller meets, a nonce counts once and a key does its work once. Its tables, these triggers and their
functions go with a later release. Rows that are there already are marked by 0015.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

OURS = "organization_id = (SELECT nullif(current_setting('singr.organization_id', true), '')::uuid)"
TABLES = (
    """
    CREATE TABLE request_marks (
        mark UUID NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_request_marks PRIMARY KEY (mark)
    )
    """,
    "ALTER TABLE request_marks ENABLE ROW LEVEL SECURITY",
    """
    CREATE TABLE request_keys (
        mark UUID NOT NULL,
        organization_id UUID NOT NULL,
        job_id UUID,
        print UUID NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        run_at TIMESTAMP WITH TIME ZONE,
        payload TEXT,
        status_code SMALLINT,
        content_type TEXT,
        response_body BYTEA,
        CONSTRAINT pk_request_keys PRIMARY KEY (mark),
        CONSTRAINT ck_request_keys_one_answer CHECK (job_id IS NULL OR status_code IS NULL)
    )
    """,
    "ALTER TABLE request_keys ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON request_keys TO singr_tenant USING ({OURS}) WITH CHECK ({OURS})",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON request_keys TO singr_tenant",
)

HALF = "encode(substring(sha256(convert_to({text}, 'UTF8'){more}) FOR 16), 'hex')::uuid"
NONCE_MARK = HALF.format(text="'nonce' || chr(10) || {row}.key_id || chr(10) || {row}.nonce", more="")
KEY_MARK = HALF.format(text="'key' || chr(10) || {row}.organization_id || chr(10) || {row}.key", more="")
PRINT = HALF.format(text="{row}.method || chr(10) || {row}.path || chr(10)", more=" || {row}.body_hash")

MARK_NONCE = f"""
    CREATE FUNCTION mark_nonce() RETURNS trigger LANGUAGE plpgsql SET search_path = {{schema}}, pg_temp
    AS $function$
    BEGIN
        INSERT INTO request_marks (mark, expires_at) VALUES ({NONCE_MARK.format(row="NEW")}, NEW.expires_at)
        ON CONFLICT (mark) DO NOTHING;
        IF FOUND THEN
            RETURN NEW;
        END IF;
        RETURN NULL;  -- its release takes that for used, and refuses the request
    END
    $function$
"""  # noqa: S608 - constants
# A key that the new release has used is, to the release before, one whose request is still running: it answers 409
# where it stores jobs, and where it would go on looking for the answer 503. Both ask the caller to come again.
MARK_KEY = f"""
    CREATE FUNCTION mark_key() RETURNS trigger LANGUAGE plpgsql SET search_path = {{schema}}, pg_temp
    AS $function$
    DECLARE
        its_mark CONSTANT uuid := {KEY_MARK.format(row="NEW")};
    BEGIN
        INSERT INTO request_keys AS kept
               (mark, organization_id, print, created_at, status_code, content_type, response_body)
        VALUES (its_mark, NEW.organization_id, {PRINT.format(row="NEW")}, NEW.created_at, NEW.status_code,
                NEW.content_type, NEW.response_body)
        ON CONFLICT (mark) DO UPDATE
           SET job_id = NULL, run_at = NULL, payload = NULL, print = excluded.print,
               created_at = excluded.created_at, status_code = excluded.status_code,
               content_type = excluded.content_type, response_body = excluded.response_body
         WHERE kept.created_at <= now() - interval '48 hours'
            OR (TG_OP = 'UPDATE' AND kept.job_id IS NULL AND kept.created_at IN (NEW.created_at, OLD.created_at));
        IF FOUND THEN
            RETURN NEW;
        END IF;
        IF TG_OP = 'UPDATE' THEN
            RETURN NULL;  -- another has taken the request over
        END IF;
        IF EXISTS (SELECT FROM idempotency_records AS theirs
                    WHERE theirs.organization_id = NEW.organization_id AND theirs.key = NEW.key) THEN
            RETURN NEW;  -- it conflicts with that row, by its release's own rules
        END IF;
        IF NEW.state = 'done' THEN
            RETURN NULL;
        END IF;
        RAISE serialization_failure USING MESSAGE = 'the key was used with a newer release';
    END
    $function$
"""  # noqa: S608 - constants
FORGET_KEY = f"""
    CREATE FUNCTION forget_key() RETURNS trigger LANGUAGE plpgsql SET search_path = {{schema}}, pg_temp
    AS $function$
    BEGIN
        DELETE FROM request_keys AS kept
         WHERE kept.mark = {KEY_MARK.format(row="OLD")} AND kept.created_at = OLD.created_at AND kept.job_id IS NULL;
        RETURN OLD;
    END
    $function$
"""  # noqa: S608 - constants
TRIGGERS = {
    "mark_nonce": ("BEFORE INSERT ON request_nonces", MARK_NONCE),
    "mark_key": ("BEFORE INSERT OR UPDATE ON idempotency_records", MARK_KEY),
    "forget_key": ("AFTER DELETE ON idempotency_records", FORGET_KEY),
}


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for name, (when, function) in TRIGGERS.items():
        op.execute(function.replace("{schema}", schema))
        op.execute(f"CREATE TRIGGER {name} {when} FOR EACH ROW EXECUTE FUNCTION {name}()")


def downgrade() -> None:
    for name, (when, _) in TRIGGERS.items():
        op.execute(f"DROP TRIGGER {name} {when[when.index('ON') :]}")
        op.execute(f"DROP FUNCTION {name}()")
    op.execute("DROP TABLE request_marks, request_keys")
