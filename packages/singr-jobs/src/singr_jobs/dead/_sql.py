"""The statements of dead letters."""

from typing import Final

from singr_db import sql, sql_text
from singr_db.ending import AFTER_REQUEUING, AFTER_SETTLING, LOG, PLACED_BY, FollowUp, looked_at, places
from singr_db.tables import DeadLetterState, JobStatus
from singr_jobs.intake._row import JobRow, columns_of, insert_jobs

LOOKS_BACK: Final = 10_000
"""So many letters are looked through for a page, whatever the filter."""

READERS: Final = ("platform", "tenant")
_OPEN: Final = f"state = '{DeadLetterState.OPEN.value}'"
COLUMNS: Final = (
    "id, organization_id, job_id, type, queue, error, fingerprint, jsonb_array_length(attempts) AS attempts,"
    " state, failed_at, settled_at, settled_by"
)
# An open letter has its log; of one that is settled nobody kept it when its job went, and a job that is there now may
# have been made anew from a later letter. An expired one has none, whatever is still there of its job.
_LOG: Final = f"""
CASE WHEN d.state <> '{DeadLetterState.EXPIRED.value}' THEN coalesce(d.log, ({LOG})) END"""
_GONE: Final = f"""
CASE WHEN NOT ({_OPEN}) AND (d.state = '{DeadLetterState.EXPIRED.value}' OR NOT EXISTS (
              SELECT FROM jobs WHERE jobs.id = d.job_id AND jobs.organization_id = d.organization_id) OR EXISTS (
              SELECT FROM dead_letters AS later
               WHERE later.job_id = d.job_id AND later.organization_id = d.organization_id AND later.id > d.id))
     THEN jsonb_build_object('lines', jsonb_build_array(), 'complete', false) END"""  # noqa: S608 - constants
READ: Final = sql_text(
    f"""
SELECT {COLUMNS}, job, attempts AS history, coalesce({_LOG}, {_GONE}) AS log FROM dead_letters AS d
 WHERE id = :id AND organization_id = coalesce(CAST(:organization_id AS uuid), organization_id)
""",  # noqa: S608 - constants
    roles=READERS,
)
LOCK: Final = sql_text(
    "SELECT state FROM dead_letters"
    " WHERE id = :id AND organization_id = coalesce(CAST(:organization_id AS uuid), organization_id) FOR UPDATE"
)
# Before letters that are given back: whoever settles letters and whoever tries their jobs again lock jobs first, then
# letters, then flows, each in the order of ids, so that nobody waits crosswise. A job that has been given back already
# is left to its worker, who locks those of a batch in an order of its own.
LOCK_JOBS: Final = sql_text("""
SELECT id FROM jobs
 WHERE id = ANY (ARRAY(
    SELECT job_id FROM dead_letters WHERE id = ANY (CAST(:ids AS uuid[]))
       AND organization_id = coalesce(CAST(:organization_id AS uuid), organization_id)))
   AND status = 'failed'
 ORDER BY id FOR UPDATE
""")
# The rounds that a job was given back from: what it did since then, its own attempts tell.
EARLIER_ROUNDS: Final = sql_text(
    f"""
SELECT attempts FROM dead_letters
 WHERE job_id = :job_id AND organization_id = :organization_id AND state = '{DeadLetterState.REQUEUED.value}'
 ORDER BY id
""",  # noqa: S608 - a constant
    roles=READERS,
)


_LOOKED_AT: Final = looked_at(AFTER_SETTLING)


def _settle(state: DeadLetterState, which: str, more: str = "", *, after: tuple[FollowUp, ...] = AFTER_SETTLING) -> str:
    """The parts of a WITH that settle letters; what follows that reads them from `settled`."""
    follow_ups = "".join(f", {one.name} AS ({one.sql})" for one in after)
    return f"""
settled AS (
    UPDATE dead_letters SET state = '{state.value}', settled_at = now(), settled_by = %(by)s,
           bulk_id = CAST(%(bulk)s AS uuid){more}
     WHERE {_OPEN} AND {which}
    RETURNING id, job_id, organization_id, state
){follow_ups}"""  # noqa: S608 - constants


_ALSO_KEPT: Final = {"created_by": "text", "solo": "boolean"}
_KEPT: Final = ", ".join(f"{name} {kind}" for name, kind in {**columns_of(JobRow), **_ALSO_KEPT}.items())
_RETURNED: Final = (*PLACED_BY, "status", "flow_id")
_PLACED: Final = ", ".join(f"{step.name} AS ({step.sql})" for step in places("alone"))
_MADE_ANEW: Final = insert_jobs(
    """(SELECT row.* FROM free CROSS JOIN LATERAL jsonb_to_record(free.job) AS row ({kept})
         WHERE (SELECT jobs.id FROM jobs WHERE jobs.id = free.job_id LIMIT 1) IS NULL) AS gone""".replace(
        "{kept}", _KEPT
    ),
    *_ALSO_KEPT,
    "placed",
    stored={"run_at": "now()", "placed": "true"},
)
_WAITS: Final = "id IN (SELECT free.id FROM free JOIN changed ON changed.id = free.job_id)"

BEGINS_ANEW: Final = """status = 'pending', attempt = 0, progress = 0, error = NULL, result = NULL, worker = NULL,
           started_at = NULL, finished_at = NULL, cancel_requested = false, replaced_by = NULL,
           run_at = now()"""
"""How a job's row is once it is to be tried anew."""

# Letters to jobs that wait again: the same rows with their attempts to come anew, and where a row went with its week,
# one as it was. Its first answer is built from columns that are as they were (decision 57). What is lost with its
# worker again and again goes on to run alone. It answers for each letter that was open whether its key was free, in
# which queue its job waits now, and else who holds the key. Of several with one key the oldest gets it: within a
# statement the table takes a claim for one whose job does not wait yet.
REQUEUE: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT id, job_id, organization_id, type, job, job ->> 'unique_key' AS unique_key FROM dead_letters
     WHERE id = ANY (CAST(%(ids)s AS uuid[])) AND {_OPEN} ORDER BY id FOR UPDATE
), claimed AS (
    INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id)
    SELECT DISTINCT ON (organization_id, type, unique_key) organization_id, type, unique_key, job_id
      FROM asked WHERE unique_key IS NOT NULL ORDER BY organization_id, type, unique_key, id
    ON CONFLICT (organization_id, type, unique_key) DO NOTHING
    RETURNING organization_id, type, unique_key, job_id
), free AS MATERIALIZED (
    SELECT * FROM asked WHERE unique_key IS NULL OR job_id IN (SELECT job_id FROM claimed)
), again AS (
    UPDATE jobs SET {BEGINS_ANEW}
      FROM free
     WHERE jobs.id = free.job_id AND jobs.id = ANY (ARRAY(SELECT job_id FROM free))
       AND jobs.status = '{JobStatus.FAILED.value}'
    RETURNING {", ".join(f"jobs.{name}" for name in _RETURNED)}
), made AS (
    {_MADE_ANEW}
    RETURNING {", ".join(_RETURNED)}
), changed AS MATERIALIZED (
    SELECT * FROM again UNION ALL SELECT * FROM made
), alone AS (
    SELECT * FROM changed WHERE flow_id IS NULL
), {_PLACED}, {_settle(DeadLetterState.REQUEUED, _WAITS, after=AFTER_REQUEUING)}
SELECT asked.id, asked.job_id, free.id IS NOT NULL AS is_free, changed.queue,
       (SELECT held.job_id FROM (SELECT 1, * FROM claimed UNION ALL
                                SELECT 2, organization_id, type, unique_key, job_id FROM job_unique_keys) AS held (rank)
         WHERE free.id IS NULL AND held.organization_id = asked.organization_id AND held.type = asked.type
           AND held.unique_key = asked.unique_key ORDER BY held.rank LIMIT 1) AS holder
  FROM asked LEFT JOIN free ON free.id = asked.id LEFT JOIN changed ON changed.id = asked.job_id
 WHERE {looked_at(AFTER_REQUEUING)}
"""  # noqa: S608 - constants
DISCARD: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT id FROM dead_letters WHERE id = ANY (CAST(%(ids)s AS uuid[])) AND {_OPEN} ORDER BY id FOR UPDATE
), {_settle(DeadLetterState.DISCARDED, "id = ANY (ARRAY(SELECT id FROM asked))")}
SELECT id FROM settled WHERE {_LOOKED_AT}
"""  # noqa: S608 - constants
REQUEUE_TEXT: Final = sql_text(REQUEUE)
DISCARD_TEXT: Final = sql_text(DISCARD)

# What nobody settled in its time: its job cannot be made anew any more. Of the oldest so many are looked at.
EXPIRE: Final = sql(f"""
WITH oldest AS MATERIALIZED (
    SELECT id, failed_at FROM dead_letters WHERE {_OPEN} ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), {
    _settle(
        DeadLetterState.EXPIRED,
        "id IN (SELECT id FROM oldest WHERE failed_at < now() - make_interval(days => %(days)s))",
        ", job = NULL, log = NULL",
    )
}
SELECT count(*) FROM settled WHERE {_LOOKED_AT}
""")  # noqa: S608 - constants
FORGET: Final = sql("""
DELETE FROM dead_letters WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM dead_letters WHERE settled_at < now() - make_interval(days => %(days)s)
     ORDER BY settled_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
""")
