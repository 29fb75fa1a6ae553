"""Places of many jobs are taken away and ranked anew by index, one by one, whatever the planner believes of tables."""

from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None

ARRAYS = "queues text[], organizations uuid[], types text[], keys text[], run_ats timestamptz[], ids uuid[]"
SIGNATURES = (
    "take_places(text[], uuid[], text[], text[], timestamptz[], uuid[])",
    "rank_places(smallint, smallint[], text[], uuid[], text[], text[], timestamptz[], uuid[])",
)
READY = "queue = queues[one] AND organization_id = organizations[one]"
PARKED = "organization_id = organizations[one] AND type = types[one] AND key = keys[one]"
ITS = "run_at = run_ats[one] AND id = ids[one]"
FUNCTIONS = (
    f"""
    CREATE FUNCTION take_places({ARRAYS}) RETURNS SETOF uuid LANGUAGE plpgsql SET enable_seqscan = off
    AS $function$
    DECLARE
        taken boolean;
    BEGIN
        FOR one IN 1 .. cardinality(ids) LOOP
            DELETE FROM job_ready WHERE {READY} AND priority IN (0, 1, 2, 8, 9) AND {ITS};
            taken := FOUND;
            DELETE FROM job_later WHERE {ITS};
            taken := taken OR FOUND;
            IF keys[one] IS NOT NULL THEN
                DELETE FROM job_keyed WHERE {ITS};
                taken := taken OR FOUND;
                DELETE FROM job_parked WHERE {PARKED} AND priority IN (0, 1, 2, 8, 9) AND {ITS};
                taken := taken OR FOUND;
            END IF;
            IF taken THEN
                RETURN NEXT ids[one];
            END IF;
        END LOOP;
    END
    $function$
    """,  # noqa: S608 - constants
    f"""
    CREATE FUNCTION rank_places(given smallint, priorities smallint[], {ARRAYS}) RETURNS void
    LANGUAGE plpgsql SET enable_seqscan = off
    AS $function$
    BEGIN
        FOR one IN 1 .. cardinality(ids) LOOP
            UPDATE job_ready SET priority = given WHERE {READY} AND priority = priorities[one] AND {ITS};
            UPDATE job_later SET priority = given WHERE {ITS} AND priority = priorities[one];
            IF keys[one] IS NOT NULL THEN
                UPDATE job_keyed SET priority = given WHERE {ITS} AND priority = priorities[one];
                UPDATE job_parked SET priority = given WHERE {PARKED} AND priority = priorities[one] AND {ITS};
            END IF;
        END LOOP;
    END
    $function$
    """,  # noqa: S608 - constants
)
# As in 0028, but for how places are found.
BY_INDEX = """, asked_for AS (
            SELECT array_agg(queue) AS queues, array_agg(organization_id) AS organizations, array_agg(type) AS types,
                   array_agg(concurrency_key) AS keys, array_agg(run_at) AS run_ats, array_agg(id) AS ids
              FROM j HAVING count(*) > 0
        ), unwaited AS (
            DELETE FROM job_waiting WHERE id = ANY (ARRAY(SELECT j.id FROM j)) RETURNING id
        )
        SELECT taken.id FROM asked_for, take_places(queues, organizations, types, keys, run_ats, ids) AS taken (id)
        UNION ALL SELECT unwaited.id FROM unwaited;"""
BY_JOINS = """, unreadied AS (
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
        UNION ALL SELECT id FROM unparked UNION ALL SELECT id FROM unwaited;"""


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute(function)
    for signature in SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO singr_tenant")
    take_members(BY_INDEX)


def downgrade() -> None:
    take_members(BY_JOINS)
    for signature in SIGNATURES:
        op.execute(f"DROP FUNCTION {signature}")


def take_members(places: str) -> None:
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(f"""
    CREATE OR REPLACE FUNCTION take_members(asked uuid[], theirs uuid[]) RETURNS SETOF uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $function$
    DECLARE
        own uuid := nullif(current_setting('singr.organization_id', true), '')::uuid;
    BEGIN
        PERFORM FROM flows WHERE id = ANY (theirs) AND (own IS NULL OR organization_id = own) ORDER BY id FOR UPDATE;
        RETURN QUERY
        WITH j AS MATERIALIZED (
            SELECT queue, organization_id, priority, solo, run_at, id, type, concurrency_key FROM jobs
             WHERE id = ANY (asked) AND status = 'pending' AND (own IS NULL OR organization_id = own)
        ){places}
    END
    $function$
    """)  # noqa: S608 - constants
