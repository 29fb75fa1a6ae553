"""The statements of ingestion. Rows travel as one JSON value: one parameter to encode, however many rows."""

from collections.abc import Sequence

_INPUT = """
WITH input AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS row (
        id uuid, organization_id uuid, type text, queue text, priority smallint, payload jsonb, max_attempts smallint,
        backoff float8, timeout float8, unique_key text, run_at timestamptz, created_at timestamptz,
        correlation_id text, traceparent text, credential text, nonce text, key text, method text, path text,
        body_hash text, status_code smallint, response text, intake smallint, companion jsonb)
), used AS (
    -- A nonce is remembered for as long as its timestamp could pass: 300 s to either side, and a minute.
    INSERT INTO request_nonces (key_id, nonce, expires_at)
    SELECT credential, nonce, now() + interval '11 minutes' FROM input WHERE nonce IS NOT NULL
    ON CONFLICT (key_id, nonce) DO NOTHING
    RETURNING key_id, nonce
), fresh AS MATERIALIZED (
    SELECT input.* FROM input
      LEFT JOIN used ON used.key_id = input.credential AND used.nonce = input.nonce
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
)"""

_WON = """, won AS MATERIALIZED (
    SELECT fresh.* FROM fresh JOIN record USING (organization_id, key)
), job AS (
    INSERT INTO jobs (id, organization_id, type, queue, priority, payload, max_attempts, backoff, timeout, unique_key,
                      run_at, created_at, correlation_id, traceparent, created_by)
    SELECT id, organization_id, type, queue, priority, payload, max_attempts, backoff, timeout, unique_key,
           -- at once: when it was asked for, as the answer says, but for a host whose clock is ahead of the database's
           coalesce(run_at, least(created_at, now())), created_at, correlation_id, traceparent, credential
      FROM won
)"""

_COMPANIONS = "(SELECT coalesce(jsonb_agg(companion), '[]') FROM won WHERE intake = {number})"

_LOSERS = """
SELECT input.id, fresh.id IS NOT NULL
  FROM input LEFT JOIN fresh ON fresh.id = input.id LEFT JOIN won ON won.id = input.id
 WHERE won.id IS NULL
"""


def submit_with(inserts: Sequence[str]) -> str:
    """The statement that stores submissions with their jobs and companions, in one round trip and one transaction.

    It answers with those that were not stored, none as a rule: their ids, and whether at least their nonce was new, so
    that it is their idempotency key that is known. ``inserts`` are the intakes' own statements; a row's ``intake`` is
    the place of its own among them.
    """
    companions = [
        f", companion_{number} AS ({insert.format(rows=_COMPANIONS.format(number=number))})"
        for number, insert in enumerate(inserts)
    ]
    return "".join([_INPUT, _WON, *companions, _LOSERS])


# The same for a submission whose unique key another job holds: all of it but the job.
SUBMIT_WITHOUT_JOB = f"""{_INPUT}
SELECT input.id, fresh.id IS NOT NULL
  FROM input LEFT JOIN fresh ON fresh.id = input.id
       LEFT JOIN record ON record.organization_id = input.organization_id AND record.key = input.key
 WHERE fresh.id IS NULL OR record.key IS NULL
"""  # noqa: S608 - two constants

RECORDS = """
SELECT organization_id, key, method, path, body_hash, state, status_code, response_body
  FROM idempotency_records
  JOIN jsonb_to_recordset(%s::jsonb) AS asked (organization_id uuid, key text) USING (organization_id, key)
"""

# An own id is taken when its job was not made by this very idempotency key: that is a replay.
JOB_TAKEN = """
SELECT 1 FROM jobs
 WHERE id = %(id)s
   AND NOT EXISTS (SELECT FROM idempotency_records AS record
                    WHERE record.key = %(key)s AND record.organization_id = jobs.organization_id)
"""

HOLD = """
INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id)
VALUES (%(organization_id)s, %(type)s, %(unique_key)s, %(job_id)s)
ON CONFLICT (organization_id, type, unique_key) DO NOTHING
RETURNING job_id
"""

# Only for a claim that this transaction has made: a replay's job may be there, and have ended.
UNHOLD = """
DELETE FROM job_unique_keys
 WHERE organization_id = %(organization_id)s AND type = %(type)s AND unique_key = %(unique_key)s AND job_id = %(job_id)s
"""

# A statement of its own, after the holder was seen: its snapshot then sees the job that was committed with the claim.
# It names that holder, or whoever waits for another's take-over would take the key from the new one.
TAKE_OVER = """
UPDATE job_unique_keys SET job_id = %(job_id)s
 WHERE organization_id = %(organization_id)s AND type = %(type)s AND unique_key = %(unique_key)s
   AND job_id = %(holder)s
   AND NOT EXISTS (SELECT FROM jobs WHERE jobs.id = %(holder)s
                      AND jobs.status IN ('pending', 'dispatched', 'processing'))
RETURNING job_id
"""

# Its job is null where it has ended or is gone, and an earlier version left the claim behind.
HOLDER = """
SELECT held.job_id, CASE WHEN j.status IN ('pending', 'dispatched', 'processing') THEN jsonb_build_object(
           'id', j.id, 'organization_id', j.organization_id, 'type', j.type, 'queue', j.queue,
           'status', CASE j.status WHEN 'dispatched' THEN 'pending' ELSE j.status END,
           'priority', CASE j.priority WHEN 0 THEN 'high' WHEN 1 THEN 'normal' ELSE 'low' END,
           'progress', j.progress, 'attempt', j.attempt, 'max_attempts', j.max_attempts, 'run_at', j.run_at,
           'created_at', j.created_at, 'started_at', j.started_at, 'finished_at', j.finished_at,
           'cancel_requested', j.cancel_requested, 'unique_key', j.unique_key, 'correlation_id', j.correlation_id,
           'payload', j.payload, 'result', j.result, 'error', j.error) END
  FROM job_unique_keys AS held LEFT JOIN jobs AS j ON j.id = held.job_id
 WHERE held.organization_id = %(organization_id)s AND held.type = %(type)s AND held.unique_key = %(unique_key)s
"""
