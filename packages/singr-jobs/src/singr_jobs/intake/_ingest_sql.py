"""The statements of ingestion. Rows travel as one JSON value: one parameter to encode, however many rows."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from singr_db import sql
from singr_db.ending import UNFINISHED
from singr_jobs.declare._views import JobView
from singr_jobs.intake._enqueue import INSERT
from singr_jobs.intake._row import JobRow, SmallInt, insert_jobs, recordset
from singr_jobs.intake._unique import CLAIM, FIND, INSERT_WITH_KEY, UNCLAIM


class SubmittedRow(JobRow, kw_only=True):
    """A submission as the statement reads it: the job, who asked for it, its idempotency record and its companion."""

    created_by: str
    nonce: str | None
    key: str
    method: str
    path: str
    body_hash: str
    status_code: SmallInt
    intake: SmallInt | None
    companion: msgspec.Struct | None
    delay: float | None = None
    response: str = ""


class _RecordKey(msgspec.Struct):
    """Which idempotency record is asked for."""

    organization_id: UUID
    key: str


_INPUT = f"""
WITH input AS MATERIALIZED (
    SELECT * FROM {recordset(SubmittedRow, "%s")}
), used AS (
    -- A nonce is remembered for as long as its timestamp could pass: 300 s to either side, and a minute.
    INSERT INTO request_nonces (key_id, nonce, expires_at)
    SELECT created_by, nonce, now() + interval '11 minutes' FROM input WHERE nonce IS NOT NULL
    ON CONFLICT (key_id, nonce) DO NOTHING
    RETURNING key_id, nonce
), fresh AS MATERIALIZED (
    SELECT input.* FROM input
      LEFT JOIN used ON used.key_id = input.created_by AND used.nonce = input.nonce
     WHERE input.nonce IS NULL OR used.nonce IS NOT NULL
), record AS (
    INSERT INTO idempotency_records AS kept (organization_id, key, method, path, body_hash, state, status_code,
                                             content_type, response_body, created_at, expires_at)
    SELECT organization_id, key, method, path, decode(body_hash, 'hex'), 'done', status_code, 'application/json',
           convert_to(response, 'UTF8'), now(), now() + interval '48 hours'
      FROM fresh
    ON CONFLICT (organization_id, key) DO UPDATE
       SET method = excluded.method, path = excluded.path, body_hash = excluded.body_hash, state = excluded.state,
           status_code = excluded.status_code, response_body = excluded.response_body,
           created_at = excluded.created_at, expires_at = excluded.expires_at
     WHERE kept.expires_at < now()
    RETURNING organization_id, key
)"""  # noqa: S608 - constants

# The first answer tells the times of the host that accepted the job. They are stored as told while that host's clock
# and the database's agree; where they do not, the database's counts, and a job is never due by a host's.
_TIMES = {
    "run_at": """coalesce(run_at, CASE WHEN created_at BETWEEN now() - interval '10 seconds' AND now() THEN created_at
                          ELSE now() END + coalesce(delay, 0) * interval '1 second')""",
    "created_at": """CASE WHEN created_at BETWEEN now() - interval '10 seconds' AND now() + interval '10 seconds'
         THEN created_at ELSE now() END""",
}

_WON = f""", won AS MATERIALIZED (
    SELECT fresh.* FROM fresh JOIN record USING (organization_id, key)
), job AS (
    {insert_jobs("won", "created_by", stored=_TIMES)}
)"""  # noqa: S608 - constants

_COMPANIONS = "(SELECT coalesce(jsonb_agg(companion), '[]') FROM won WHERE intake = {number})"

_LOSERS = """
SELECT input.id, fresh.id IS NOT NULL
  FROM input LEFT JOIN fresh ON fresh.id = input.id LEFT JOIN won ON won.id = input.id
 WHERE won.id IS NULL
"""


def submit_with(inserts: Sequence[str]) -> str:
    """The statement that stores submissions with their jobs and companions, in one round trip and one transaction.

    It answers with those that were not stored, none as a rule: their ids, and whether at least their nonce was new, so
    that it is their idempotency key that is known. `inserts` are the intakes' own statements; a row's `intake` is
    the place of its own among them.
    """
    companions = [
        f", companion_{number} AS ({insert.format(rows=_COMPANIONS.format(number=number))})"
        for number, insert in enumerate(inserts)
    ]
    return "".join([_INPUT, _WON, *companions, _LOSERS])


# The same for a submission whose unique key another job holds: all of it but the job.
SUBMIT_WITHOUT_JOB = sql(f"""{_INPUT}
SELECT input.id, fresh.id IS NOT NULL
  FROM input LEFT JOIN fresh ON fresh.id = input.id
       LEFT JOIN record ON record.organization_id = input.organization_id AND record.key = input.key
 WHERE fresh.id IS NULL OR record.key IS NULL
""")  # noqa: S608 - two constants

RECORDS = sql(f"""
SELECT organization_id, key, method, path, body_hash, state, status_code, response_body
  FROM idempotency_records
  JOIN {recordset(_RecordKey, "%s")} USING (organization_id, key)
""")  # noqa: S608 - constants

# An own id is taken when its job was not made by this very idempotency key: that is a replay.
JOB_TAKEN = sql("""
SELECT 1 FROM jobs
 WHERE id = %(id)s
   AND NOT EXISTS (SELECT FROM idempotency_records AS record
                    WHERE record.key = %(key)s AND record.organization_id = jobs.organization_id)
""")

HOLDER = sql(f"""
SELECT {", ".join(f"j.{name}" for name in JobView.__struct_fields__)}
  FROM job_unique_keys AS held JOIN jobs AS j ON j.id = held.job_id
 WHERE held.organization_id = %(organization_id)s AND held.type = %(type)s AND held.unique_key = %(unique_key)s
   AND j.status IN {UNFINISHED}
""")  # noqa: S608 - constants

# What `enqueue` runs is registered here, since its own modules know no database of ours.
sql(submit_with(()))
for _statement in (INSERT, INSERT_WITH_KEY, FIND):
    sql(_statement, roles=("platform", "tenant", "enqueuer"))
sql(CLAIM)
sql(UNCLAIM)
