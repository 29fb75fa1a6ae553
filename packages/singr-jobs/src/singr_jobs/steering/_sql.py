"""The statements by which one job is steered; each moves the job's row and its place together."""

from typing import Final

from singr_db import sql_text
from singr_db.ending import ALONE, PLACED_BY, RANK, REPRIORITIZE, SUSPECT, places
from singr_jobs.dead._sql import BEGINS_ANEW

_WHICH: Final = "id = :id AND organization_id = :organization_id"
# Whoever takes the job, or gives it back, is done before its place is looked for.
NOW: Final = sql_text("SELECT now()")
LOCK: Final = sql_text(f"SELECT id FROM jobs WHERE {_WHICH} FOR UPDATE")  # noqa: S608 - a constant
LETTER: Final = sql_text(
    "SELECT id FROM dead_letters"
    " WHERE job_id = :id AND organization_id = :organization_id AND state = 'open' ORDER BY id DESC LIMIT 1"
)

# Locked after its member, as whoever ends members does; whom that one waits for ends before this, or after the retry.
FLOW: Final = sql_text("""
SELECT id, cancelled_at IS NOT NULL AS is_cancelled FROM flows
 WHERE id = (SELECT flow_id FROM jobs WHERE id = :id AND organization_id = :organization_id) FOR UPDATE
""")
FLOW_GOES_ON: Final = sql_text("SELECT go_on(ARRAY[CAST(:flow_id AS uuid)], NULL, now())")

_CHANGED: Final = ", ".join(f"jobs.{name}" for name in (*PLACED_BY, "status"))
_PLACED: Final = ", ".join(f"{step.name} AS ({step.sql})" for step in places("goes"))
# As a dead letter is requeued, for what has none: jobs that were cancelled, or whose letter is settled. A member waits
# again for whom it waited for, as when it was added.
REVIVE: Final = sql_text(
    f"""
WITH asked AS MATERIALIZED (
    SELECT id, organization_id, type, unique_key, flow_id, status FROM jobs
     WHERE {_WHICH} AND status IN ('failed', 'cancelled')
), claimed AS (
    INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id)
    SELECT organization_id, type, unique_key, id FROM asked WHERE unique_key IS NOT NULL
    ON CONFLICT (organization_id, type, unique_key) DO NOTHING
    RETURNING job_id
), free AS MATERIALIZED (
    SELECT id FROM asked WHERE unique_key IS NULL OR id IN (SELECT job_id FROM claimed)
), changed AS (
    UPDATE jobs SET {BEGINS_ANEW} FROM free WHERE jobs.id = free.id RETURNING {_CHANGED}
), ahead AS MATERIALIZED (
    SELECT asked.id, asked.flow_id, (asked.id IS NOT DISTINCT FROM f.completion_job_id)::integer + (
               SELECT count(*) FROM job_dependencies AS d JOIN jobs AS p ON p.id = d.predecessor
                WHERE d.successor = asked.id
                  AND (p.status = 'pending' OR (f.on_failure = 'stop' AND p.status <> 'completed'))) AS waits_for
      FROM asked JOIN flows AS f ON f.id = asked.flow_id
), waits AS (
    INSERT INTO job_waiting (id, flow_id, waits_for, queue, organization_id, priority, run_at, type, key)
    SELECT c.id, ahead.flow_id, ahead.waits_for, c.queue, c.organization_id,
           CASE WHEN c.solo THEN {ALONE} ELSE c.priority END, c.run_at, c.type, c.concurrency_key
      FROM changed AS c JOIN ahead USING (id) WHERE ahead.waits_for > 0
    ON CONFLICT DO NOTHING
), goes AS MATERIALIZED (
    SELECT * FROM changed WHERE id NOT IN (SELECT id FROM ahead WHERE waits_for > 0)
), members AS MATERIALIZED (
    SELECT queue FROM (
        SELECT array_agg(id) AS ids, array_agg(flow_id) AS flows,
               array_agg(CASE status WHEN 'failed' THEN 'requeued' ELSE 'revived' END) AS states
          FROM asked JOIN free USING (id) WHERE flow_id IS NOT NULL HAVING count(*) > 0
    ) AS again, settle_members(again.ids, again.flows, again.states, now()) AS queue
), {_PLACED}
SELECT changed.queue, held.job_id AS holder
  FROM asked LEFT JOIN changed ON changed.id = asked.id
  LEFT JOIN job_unique_keys AS held ON changed.id IS NULL AND held.organization_id = asked.organization_id
       AND held.type = asked.type AND held.unique_key = asked.unique_key
 WHERE (SELECT count(*) FROM members) >= 0
""",  # noqa: S608 - constants
)

_KEPT: Final = f"CASE WHEN was = {SUSPECT} THEN {SUSPECT} ELSE {RANK} END"
_MOVED: Final = ", ".join(f"{step.name} AS ({step.sql})" for step in places("changed", rank=_KEPT))
# What waits for its time or its turn, and nothing else: what waits for other jobs, or for its key, stays where it is.
# What is set apart stays so. One that its key had let through gives that up, and is looked at anew.
MOVE: Final = sql_text(
    f"""
WITH asked AS MATERIALIZED (
    SELECT {", ".join(PLACED_BY)} FROM jobs WHERE {_WHICH} AND status = 'pending'
), unreadied AS (
    DELETE FROM job_ready AS place USING asked AS j
     WHERE place.queue = j.queue AND place.organization_id = j.organization_id AND place.run_at = j.run_at
       AND place.id = j.id AND place.priority IN (0, 1, 2, {SUSPECT}, {ALONE})
    RETURNING place.id, place.priority
), undeferred AS (
    DELETE FROM job_later AS place USING asked AS j WHERE place.run_at = j.run_at AND place.id = j.id
    RETURNING place.id, place.priority
), unkeyed AS (
    DELETE FROM job_keyed AS place USING asked AS j WHERE place.run_at = j.run_at AND place.id = j.id
    RETURNING place.id, place.priority
), waited AS (
    SELECT id, priority AS was FROM unreadied UNION ALL SELECT id, priority FROM undeferred
    UNION ALL SELECT id, priority FROM unkeyed
), changed AS (
    UPDATE jobs SET run_at = greatest(CAST(:run_at AS timestamptz), now()) FROM waited WHERE jobs.id = waited.id
    RETURNING {_CHANGED}, waited.was
), let_go AS (
    DELETE FROM job_slots USING changed WHERE job_slots.job_id = changed.id
), {_MOVED}
SELECT queue, run_at <= now() AS is_due FROM changed
""",  # noqa: S608 - constants
)
IN_HAND: Final = sql_text("SELECT EXISTS (SELECT FROM job_tickets WHERE CAST(:id AS uuid) = ANY (ids))")
RANK_ANEW: Final = sql_text(REPRIORITIZE)
