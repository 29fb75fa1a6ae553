"""Who was let go behind a failed member, and has not begun, waits again once that member is to run again."""

from importlib import import_module

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

_FIRST = import_module("singr_db._migrations.versions.0028_flows")
_AGAIN = import_module("singr_db._migrations.versions.0041_members_again")

# Only a flow that goes on regardless lets anybody go behind what failed: successors, and the completion job. Whoever
# moves a place does so within one statement; what moved while we waited for it is found in its new one at another look.
# What is in hand has begun. The room of a key that it had been given goes to others at the next look at keys.
WAIT_AGAIN = """
    CREATE FUNCTION wait_again(again uuid[], theirs uuid[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        {declared}
        asked uuid[];
        taken uuid[] := ARRAY[]::uuid[];
    BEGIN
        asked := ARRAY(
            SELECT j.id FROM (
                SELECT successor AS id FROM job_dependencies WHERE predecessor = ANY (again)
                UNION SELECT completion_job_id FROM flows WHERE id = ANY (theirs)
            ) AS behind JOIN jobs AS j ON j.id = behind.id JOIN flows AS f ON f.id = j.flow_id
             WHERE f.id = ANY (theirs) AND f.on_failure = 'continue' AND j.status = 'pending' AND j.id <> ALL (again)
               AND (own IS NULL OR j.organization_id = own)
               AND NOT EXISTS (SELECT FROM job_waiting AS w WHERE w.id = j.id));
        FOR look IN 1..3 LOOP
            EXIT WHEN asked <@ taken;
            taken := taken || ARRAY(
                SELECT * FROM take_members(ARRAY(SELECT unnest(asked) EXCEPT SELECT unnest(taken)), theirs));
        END LOOP;
        DELETE FROM job_slots WHERE job_id = ANY (taken);
        INSERT INTO job_waiting (id, flow_id, waits_for, queue, organization_id, priority, run_at, type, key)
        SELECT j.id, j.flow_id, (j.id IS NOT DISTINCT FROM f.completion_job_id)::integer + (
                   SELECT count(*) FROM job_dependencies AS d JOIN jobs AS p ON p.id = d.predecessor
                    WHERE d.successor = j.id AND (p.status = 'pending' OR p.id = ANY (again))),
               j.queue, j.organization_id, CASE WHEN j.solo THEN 9 ELSE j.priority END, j.run_at, j.type,
               j.concurrency_key
          FROM jobs AS j JOIN flows AS f ON f.id = j.flow_id WHERE j.id = ANY (taken)
        ON CONFLICT DO NOTHING;
    END
    $function$
"""
SIGNATURE = "wait_again(uuid[], uuid[])"

# After those are counted up that still wait.
_COUNTED_UP = "         WHERE w.id = e.successor AND (own IS NULL OR w.organization_id = own);\n"
_REQUEUED = "        PERFORM wait_again(members, theirs);\n"
_SETTLED = """        PERFORM wait_again(
            ARRAY(SELECT e.id FROM unnest(members, states) AS e (id, state) WHERE e.state IN ('requeued', 'revived')),
            ARRAY(SELECT e.id FROM unnest(theirs, states) AS e (id, state) WHERE e.state IN ('requeued', 'revived')));
"""


# As 0041 has `settle_members`: a flow that was over stays so for its rows.
_REOPENED = """f.cancelled - e.cancelled,
               finished_at = CASE WHEN f.cancelled_at IS NOT NULL THEN f.finished_at END
"""
_STILL_OVER = """f.cancelled - e.cancelled
"""


def upgrade() -> None:
    _define(WAIT_AGAIN)
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
    _define(_with(_AGAIN.AGAIN, _REQUEUED))
    _define(_with(_settle_members(), _SETTLED))


def downgrade() -> None:
    _define(_settle_members())
    _define(_AGAIN.AGAIN)
    op.execute(f"DROP FUNCTION {SIGNATURE}")


def _settle_members() -> str:
    [function] = [one for one in _FIRST.FUNCTIONS if "FUNCTION settle_members(" in one]
    assert function.count(_REOPENED) == 1  # noqa: S101 - else this is another one
    return str(function.replace(_REOPENED, _STILL_OVER))


def _with(function: str, call: str) -> str:
    assert function.count(_COUNTED_UP) == 1  # noqa: S101 - else this changes nothing, or too much
    return function.replace(_COUNTED_UP, _COUNTED_UP + call)


def _define(function: str) -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for name, text in {**_FIRST.SHARED, "schema": schema}.items():
        function = function.replace(f"{{{name}}}", text)
    op.execute(function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
