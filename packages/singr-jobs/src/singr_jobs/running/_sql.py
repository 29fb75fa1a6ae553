"""The statements of a job's life between intake and end, all of them short, all of them safe to run from anywhere.

A job is *dispatched* (leased, its ticket on its way), then *claimed* by the lease's token (its attempt begins), then it
ends (`singr_db.ending`). Each statement names the state and the token it expects, so a late or second ticket finds
nothing. Whatever takes jobs names the types that it knows; a job of another type is left as it is.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from singr_db import sql
from singr_db.ending import IS_FOLLOWED, UNFINISHED


def uuid_array(ids: Iterable[UUID]) -> str:
    """Ids as PostgreSQL reads an array of them; written here in a third of the time the driver takes."""
    return "{" + ",".join([job_id.hex for job_id in ids]) + "}"


def leased(leases: Sequence[tuple[UUID, int]]) -> dict[str, Any]:
    """Jobs with the tokens of their leases, as parameters; a job matches with any of the tokens, and has one only."""
    return {"ids": uuid_array([job_id for job_id, _ in leases]), "tokens": list({token for _, token in leases})}


# Due jobs, in order of priority, and within a priority in turns: every organization's first job, then every second
# one … Within a turn lots are drawn, so that where there is room for one job the same organization does not always get
# it. The organizations are found by hopping along the index, so one with a million waiting jobs costs one hop. The type
# is looked at in the row, which is read to be locked anyway.
CLAIM_DUE = sql("""
WITH RECURSIVE hop AS (
    (SELECT organization_id FROM jobs
      WHERE queue = %(queue)s AND status = 'pending' AND NOT solo AND organization_id > %(after)s
      ORDER BY organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT j.organization_id FROM jobs j
             WHERE j.queue = %(queue)s AND j.status = 'pending' AND NOT j.solo
               AND j.organization_id > hop.organization_id
             ORDER BY j.organization_id LIMIT 1)
      FROM hop WHERE hop.organization_id IS NOT NULL
), org AS MATERIALIZED (
    SELECT organization_id FROM hop WHERE organization_id IS NOT NULL LIMIT %(organizations)s
), due AS MATERIALIZED (
    SELECT j.id, j.priority, j.run_at,
           row_number() OVER (PARTITION BY org.organization_id, level.priority ORDER BY j.run_at, j.id) AS turn,
           j.lease_token IS NOT NULL AS keep
      FROM org
     CROSS JOIN (VALUES (0::smallint), (1::smallint), (2::smallint)) AS level (priority)
     CROSS JOIN LATERAL (
        SELECT id, priority, run_at, lease_token FROM jobs
         WHERE queue = %(queue)s AND status = 'pending' AND NOT solo
           AND organization_id = org.organization_id AND priority = level.priority AND run_at <= now()
           AND type = ANY (%(types)s)
         ORDER BY run_at
         LIMIT LEAST(%(room)s, GREATEST(1, 4096 / (SELECT count(*) FROM org)))
           FOR UPDATE SKIP LOCKED
     ) AS j
), chosen AS MATERIALIZED (
    SELECT id, priority, turn, keep FROM due ORDER BY priority, turn, random() LIMIT %(room)s
), moved AS (
    UPDATE jobs SET status = 'dispatched', lease_token = %(token)s,
           leased_until = clock_timestamp() + %(lease)s * interval '1 second'
     WHERE id = ANY (ARRAY(SELECT id FROM chosen)) AND status = 'pending'
    RETURNING id
), leased AS (
    SELECT id, priority, turn, keep FROM moved JOIN chosen USING (id)
)
SELECT leased.id, leased.priority, leased.turn, leased.keep, looked.organizations, looked.last
  FROM (SELECT count(*) AS organizations, (array_agg(organization_id ORDER BY organization_id DESC))[1] AS last
          FROM org) AS looked
  LEFT JOIN leased ON true
""")

# A job that was lost twice may be what kills its process: of its kind, a process runs one at a time.
CLAIM_SOLO = sql("""
UPDATE jobs SET status = 'dispatched', lease_token = %(token)s,
       leased_until = clock_timestamp() + %(lease)s * interval '1 second'
 WHERE id = ANY (ARRAY(
        SELECT id FROM jobs WHERE status = 'pending' AND solo AND queue = ANY (%(queues)s) AND run_at <= now()
           AND type = ANY (%(types)s)
         ORDER BY run_at LIMIT 1 FOR UPDATE SKIP LOCKED)) AND status = 'pending'
RETURNING id, queue
""")

START = sql(f"""
UPDATE jobs SET status = 'processing', attempt = attempt + 1, started_at = now(), progress = 0, worker = %(worker)s,
       leased_until = clock_timestamp() + %(lease)s * interval '1 second'
 WHERE id = ANY (%(ids)s::uuid[]) AND lease_token = ANY (%(tokens)s) AND status = 'dispatched'
   AND type = ANY (%(types)s)
RETURNING id, lease_token, organization_id, type, payload::text, attempt, max_attempts, backoff, timeout,
          {IS_FOLLOWED}, correlation_id, traceparent, (error -> 'outage')::text,
          extract(epoch FROM now() - run_at)::float8
""")  # noqa: S608 - a constant

GIVE_BACK = sql("""
UPDATE jobs SET status = 'pending', lease_token = NULL, leased_until = NULL
 WHERE id = ANY (%(ids)s::uuid[]) AND lease_token = ANY (%(tokens)s) AND status = 'dispatched'
""")

# What a ticket named and START left: a type that this process does not know. It waits with a token that no lease has,
# and so whoever takes it next, which knows it, keeps it instead of sending it round in tickets once more.
GIVE_BACK_UNKNOWN = sql("""
UPDATE jobs SET status = 'pending', lease_token = -1, leased_until = NULL
 WHERE id = ANY (%(ids)s::uuid[]) AND lease_token = ANY (%(tokens)s) AND status = 'dispatched'
""")

# What a stopping worker dispatched and nobody has started; who holds such a ticket finds nothing left.
GIVE_BACK_UNSTARTED = sql("""
UPDATE jobs SET status = 'pending', lease_token = NULL, leased_until = NULL
 WHERE status = 'dispatched' AND lease_token = ANY (%(tokens)s)
""")

# Work cut short by a stop of the worker: not the job's fault, so its attempt does not count.
HAND_BACK = sql("""
UPDATE jobs SET status = 'pending', attempt = attempt - 1, run_at = now(), lease_token = NULL, leased_until = NULL
 WHERE id = ANY (%(ids)s::uuid[]) AND lease_token = ANY (%(tokens)s) AND status = 'processing'
RETURNING id
""")

RENEW = sql("""
UPDATE jobs SET leased_until = clock_timestamp() + %(lease)s * interval '1 second'
 WHERE id = ANY (%(ids)s::uuid[]) AND lease_token = ANY (%(tokens)s) AND status = 'processing'
RETURNING id, cancel_requested
""")

SERVER_TIME = sql("SELECT extract(epoch FROM clock_timestamp())::float8")

PROGRESS = sql("""
UPDATE jobs SET progress = %(progress)s WHERE id = %(id)s AND lease_token = %(token)s AND status = 'processing'
""")

# Dispatched but never started: the ticket was lost (Redis flushed, worker gone). No attempt began, none is counted.
SWEEP_UNSTARTED = sql("""
UPDATE jobs SET status = 'pending', lease_token = NULL, leased_until = NULL
 WHERE id = ANY (ARRAY(
        SELECT id FROM jobs WHERE status = 'dispatched' AND leased_until < now()
         ORDER BY leased_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
   AND status = 'dispatched' AND leased_until < now()
RETURNING queue
""")

DEPTHS = sql(f"""
SELECT queue, CASE WHEN status = 'pending' AND run_at > now() THEN 'delayed'
                   WHEN status IN ('pending', 'dispatched') THEN 'waiting' ELSE 'active' END AS state, type, count(*)
  FROM jobs WHERE status IN {UNFINISHED} GROUP BY 1, 2, 3
""")  # noqa: S608 - a constant
