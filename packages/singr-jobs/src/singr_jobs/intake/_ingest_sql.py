"""The statements of ingestion. Rows travel as JSON: one parameter to encode, however many rows."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from singr_db import sql
from singr_db.batch import read_arrays
from singr_db.ending import PLACED_BY, UNFINISHED, FollowUp, places
from singr_jobs.declare._views import JobView
from singr_jobs.intake._enqueue import INSERT
from singr_jobs.intake._marks import KEPT_HOURS, NONCE_EXPIRY
from singr_jobs.intake._row import JobRow, columns_of, insert_jobs, recordset
from singr_jobs.intake.unique._claims import CLAIM, CLAIM_TWICE, FIND, FIND_MANY, INSERT_AND_HOLD, INSERT_WITH_KEY


def insert_many_jobs(source: str, *more: str, stored: Mapping[str, str]) -> str:
    """The INSERT of all jobs of `source`, as `insert_jobs` has it, and of their places: the parts of a WITH.

    Cheaper than the table's trigger, and for the platform alone: nobody else may give places.
    """
    insert = insert_jobs(source, *more, "placed", stored={**stored, "placed": "true"})
    returned = ", ".join((*PLACED_BY, "status"))
    steps = [FollowUp("job", f"{insert}\nRETURNING {returned}"), *places("job")]
    return ", ".join(f"{step.name} AS ({step.sql})" for step in steps)


class SubmittedRow(JobRow, kw_only=True, array_like=True):
    """A submission as the statement reads it: the job, who asked for it, and its marks.

    Attributes:
        kept: the payload as it was answered, where its column would not give that back.
        delay: whole microseconds, so that PostgreSQL and Python add them up to the same time.
    """

    created_by: str
    nonce: str | None
    mark: str
    print: str
    kept: str | None = None
    delay: float | None = None


class Asked(msgspec.Struct):
    """A submission whose marks may be known."""

    id: UUID
    nonce: str | None
    mark: str


# Where a request's nonce and idempotency key are unique.
MARKS = ("request_marks", "request_keys")

# The first answer tells what is stored, by the database's clock: a job is never due by a host's.
_TIMES = {
    "run_at": "greatest(run_at, now() + coalesce(delay, 0) * interval '1 microsecond')",
    "created_at": "now()",
}


def submit_with(inserts: Sequence[str]) -> str:
    """The statement that stores submissions with their jobs and companions, in one round trip and one transaction.

    It takes for granted that none of them was seen before: a unique violation undoes all of it, and `KNOWN` tells which
    was. It answers with the time that it stored. `inserts` are the intakes' own statements, whose companions are the
    parameters `companions_0` and so on, JSON arrays like `rows`.
    """
    companions = [
        f", companion_{number} AS ({insert.format(rows=f'%(companions_{number})s')})"
        for number, insert in enumerate(inserts)
    ]
    return f"""
WITH input AS MATERIALIZED (
    SELECT * FROM {read_arrays(columns_of(SubmittedRow), "%(rows)s")}
), used AS (
    INSERT INTO request_marks (mark, expires_at)
    SELECT nonce::uuid, {NONCE_EXPIRY} FROM input WHERE nonce IS NOT NULL
), record AS (
    INSERT INTO request_keys (mark, organization_id, job_id, print, created_at, run_at, payload)
    SELECT mark::uuid, organization_id, id, print::uuid, now(),
           CASE WHEN run_at IS NOT NULL OR delay IS NOT NULL THEN {_TIMES["run_at"]} END, kept
      FROM input
), {insert_many_jobs("input", "created_by", stored=_TIMES)}{"".join(companions)}
SELECT now()
"""  # noqa: S608 - constants


# What a submission leaves whose unique key another job holds: all of it but the job, and the answer as it was given.
KEEP_HOLDER = sql(f"""
WITH used AS (
    INSERT INTO request_marks (mark, expires_at)
    SELECT given, {NONCE_EXPIRY} FROM (SELECT CAST(%(nonce)s AS uuid) AS given) AS nonce WHERE given IS NOT NULL
)
INSERT INTO request_keys (mark, organization_id, print, status_code, content_type, response_body)
VALUES (%(mark)s, %(organization_id)s, %(print)s, %(status)s, 'application/json', %(body)s)
""")  # noqa: S608 - a constant

# Which of them are known, with all that their first answers are built from: the job as it was when it was stored. The
# nonces of those are used up here, and keys whose time is over are free from here on. What is not known stays as it is.
# It waits neither for the disk nor for a standby: a crash within moments that forgets the nonce of a request whose key
# is known lets that very request be answered once more, as it was.
KNOWN = sql(f"""
WITH unflushed AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), input AS MATERIALIZED (
    SELECT id, mark::uuid AS mark, nonce::uuid AS nonce FROM {recordset(Asked, "%s")}
), over AS (
    DELETE FROM request_keys USING input
     WHERE request_keys.mark = input.mark AND request_keys.created_at <= now() - interval '{KEPT_HOURS} hours'
), record AS MATERIALIZED (
    SELECT input.id AS asked, input.nonce, request_keys.* FROM input JOIN request_keys USING (mark)
     WHERE request_keys.created_at > now() - interval '{KEPT_HOURS} hours'
), used AS (
    INSERT INTO request_marks (mark, expires_at)
    SELECT nonce, {NONCE_EXPIRY} FROM record WHERE nonce IS NOT NULL AND EXISTS (SELECT FROM unflushed)
    ON CONFLICT (mark) DO NOTHING
    RETURNING mark
)
SELECT input.id AS asked, spent.mark IS NOT NULL OR record.nonce IS NOT NULL AND used.mark IS NULL AS replayed,
       record.mark IS NOT NULL AS known, record.print, record.job_id, record.status_code, record.response_body,
       record.payload AS kept, job.id, job.organization_id, job.type, job.queue,
       coalesce(came.priority, job.priority) AS priority, job.max_attempts,
       job.unique_key, job.concurrency_key, job.reference, job.labels, job.correlation_id, job.payload,
       record.created_at, coalesce(record.run_at, record.created_at) AS run_at,
       'pending' AS status, 0 AS progress, 0 AS attempt, false AS cancel_requested,
       NULL::timestamptz AS started_at, NULL::timestamptz AS finished_at, NULL::jsonb AS result, NULL::jsonb AS error,
       NULL::uuid AS flow_id
  FROM input
  LEFT JOIN request_marks AS spent ON spent.mark = input.nonce
  LEFT JOIN record ON record.asked = input.id
  LEFT JOIN used ON used.mark = record.nonce
  LEFT JOIN LATERAL (SELECT * FROM jobs WHERE jobs.id = record.job_id LIMIT 1) AS job ON true
  LEFT JOIN first_priorities AS came ON came.job_id = record.job_id
""")  # noqa: S608 - constants

# An own id is taken when its job was not made by this very idempotency key: that is a replay.
JOB_TAKEN = sql("""
SELECT 1 FROM jobs
 WHERE id = %(id)s
   AND NOT EXISTS (SELECT FROM request_keys AS record
                    WHERE record.mark = %(mark)s AND record.organization_id = jobs.organization_id)
""")

# A claim is its writer's word, and whoever may only enqueue writes claims: it shows no job but its own organization's.
HOLDER = sql(f"""
SELECT {", ".join(f"j.{name}" for name in JobView.__struct_fields__)},
       (SELECT max(t.started_at) FROM job_tickets AS t WHERE t.state = 'working' AND j.id = ANY (t.ids)) AS began
  FROM job_unique_keys AS held JOIN jobs AS j
    ON j.id = held.job_id AND j.organization_id = held.organization_id AND j.type = held.type
 WHERE held.organization_id = %(organization_id)s AND held.type = %(type)s AND held.unique_key = %(unique_key)s
   AND (j.status IN {UNFINISHED} OR held.until > now())
""")  # noqa: S608 - constants

# What `enqueue` runs is registered here, since its own modules know no database of ours.
sql(submit_with(()))
for _statement in (INSERT, INSERT_WITH_KEY, INSERT_AND_HOLD, FIND, FIND_MANY, CLAIM_TWICE):
    sql(_statement, roles=("platform", "tenant", "enqueuer"))
sql(CLAIM)
