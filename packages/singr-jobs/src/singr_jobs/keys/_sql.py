"""The statements that let jobs through their keys.

A job with a key waits in `job_keyed` for its time and its *first look*. Where its key has room it is let through: a
row of `job_slots` says so, and it lies in `job_ready` as any other. Else it is parked, out of everybody's way, until
the end of another lets it through (`singr_db.ending`), or a later look does.
"""

from typing import Final

from singr_db import sql
from singr_db.ending import LIMIT, RATE, same_key

# The gate of the looks, which no queue's name can be: one process at a time, so that no two see the same room. What
# lets a job through at the end of another takes no more room than that leaves.
_GATE: Final = "*keys"

MAKE_GATE: Final = sql(f"INSERT INTO job_gates (name) VALUES ('{_GATE}') ON CONFLICT DO NOTHING")  # noqa: S608 - a constant
# In a statement of its own: the next one sees all that who held it before has done.
# That a crash of the server may undo this is no loss, as of a take: what was let through waits for its look again.
ENTER: Final = sql(f"""
SELECT set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '1s', true)
  FROM job_gates WHERE name = '{_GATE}' FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - a constant

# What each worker says at its start of the types that it runs; who starts last is right. What somebody set stays.
DECLARE: Final = sql("""
INSERT INTO job_limits AS lim (type, concurrency, rate_count, rate_seconds, declared_at)
SELECT type, concurrency, rate_count, rate_seconds, now()
  FROM unnest(%(types)s::text[], %(concurrency)s::int[], %(rate_count)s::int[], %(rate_seconds)s::float8[])
       AS said (type, concurrency, rate_count, rate_seconds)
 ORDER BY type
ON CONFLICT (type) DO UPDATE SET concurrency = excluded.concurrency, rate_count = excluded.rate_count,
       rate_seconds = excluded.rate_seconds, declared_at = now()
 WHERE (lim.concurrency, lim.rate_count, lim.rate_seconds)
       IS DISTINCT FROM (excluded.concurrency, excluded.rate_count, excluded.rate_seconds)
""")


def _room(key: str) -> str:
    """How many jobs of a key may be let through now, beside those that were: for a relation joined with `lim`.

    One that was let through counts against a rate until it has ended, and then by when it began.
    """
    return f"""
    CASE WHEN lim.type IS NULL
           OR EXISTS (SELECT FROM job_key_holds AS held WHERE {same_key("held", key)} AND held.until > now()) THEN 0
         ELSE greatest(0, least({LIMIT}, CASE WHEN {RATE} IS NOT NULL THEN {RATE}
                  - (SELECT count(*) FROM job_starts AS b WHERE {same_key("b", key)} AND b.until > now()) END)
              - (SELECT count(*) FROM job_slots AS s WHERE {same_key("s", key)})) END"""  # noqa: S608 - constants


# The first look at what has become due. Where others of its key are parked, it joins them, and they are looked at
# together (`UNPARK`). Answers the queues in which jobs are due now, the keys to look at, and how many jobs were seen.
#
# A job that has a place or a slot already got it by hand, or from the release before. To look for that costs each row
# as much again: so this fails, and LOOK_PAST goes around.
def _look(source: str, *, past: str, more: str = "") -> str:
    """The look at jobs of `job_keyed` that `source` ends by taking away, as `due`; `more` is answered besides."""
    return sql(f"""{source}
), of_key AS MATERIALIZED (
    SELECT k.*, {_room("k")} AS room, EXISTS (SELECT FROM job_parked AS p WHERE {same_key("p", "k")}) AS behind
      FROM (SELECT organization_id, type, key, count(*) AS jobs FROM due GROUP BY organization_id, type, key) AS k
      LEFT JOIN job_limits AS lim ON lim.type = k.type
), passing AS MATERIALIZED (
    SELECT due.*, true AS passes FROM due JOIN of_key ON {same_key("of_key", "due")} WHERE NOT behind AND jobs <= room
    UNION ALL
    SELECT due.*, NOT behind AND room >= row_number() OVER (
               PARTITION BY due.organization_id, due.type, due.key ORDER BY due.priority, due.run_at, due.id)
      FROM due JOIN of_key ON {same_key("of_key", "due")} WHERE behind OR jobs > room
), slots AS (
    INSERT INTO job_slots (job_id, organization_id, type, key)
    SELECT id, organization_id, type, key FROM passing WHERE passes {past}
), ready AS (
    INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
    SELECT queue, organization_id, priority, run_at, id, type FROM passing WHERE passes {past}
), parked AS (
    INSERT INTO job_parked (organization_id, type, key, priority, run_at, id, queue)
    SELECT organization_id, type, key, priority, run_at, id, queue FROM passing WHERE NOT passes {past}
), again AS MATERIALIZED (
    SELECT organization_id, type, key FROM of_key WHERE behind AND room > 0
)
SELECT array(SELECT DISTINCT queue FROM passing WHERE passes),
       array(SELECT organization_id FROM again ORDER BY organization_id, type, key),
       array(SELECT type FROM again ORDER BY organization_id, type, key),
       array(SELECT key FROM again ORDER BY organization_id, type, key),
       (SELECT count(*) FROM due){more}
""")  # noqa: S608 - constants


_EARLIEST: Final = """
WITH due AS MATERIALIZED (
    DELETE FROM job_keyed WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM job_keyed WHERE run_at <= now() ORDER BY run_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING queue, organization_id, priority, run_at, id, type, key"""
# The earliest of each of some keys, found by hopping along the index: where more is due than a look takes, a million
# jobs of one key that came before one of another keep that one waiting for a look or two.
_OF_EACH_KEY: Final = f"""
WITH RECURSIVE hop AS (
    (SELECT organization_id, type, key FROM job_keyed
      WHERE (organization_id, type, key) > (%(organization_id)s, %(type)s, %(key)s)
      ORDER BY organization_id, type, key LIMIT 1)
    UNION ALL
    SELECT n.* FROM hop CROSS JOIN LATERAL (
        SELECT k.organization_id, k.type, k.key FROM job_keyed AS k
         WHERE (k.organization_id, k.type, k.key) > (hop.organization_id, hop.type, hop.key)
         ORDER BY k.organization_id, k.type, k.key LIMIT 1) AS n
), met AS MATERIALIZED (
    SELECT organization_id, type, key, row_number() OVER () AS place FROM (SELECT * FROM hop LIMIT %(hops)s) AS hop
), due AS MATERIALIZED (
    DELETE FROM job_keyed WHERE ctid = ANY (ARRAY(
        SELECT r.at FROM met CROSS JOIN LATERAL (
            SELECT k.ctid AS at FROM job_keyed AS k WHERE {same_key("k", "met")} AND k.run_at <= now()
             ORDER BY k.run_at, k.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS r))
    RETURNING queue, organization_id, priority, run_at, id, type, key"""  # noqa: S608 - constants
_MET: Final = """, (SELECT count(*) FROM met),
       (SELECT ARRAY[organization_id::text, type, key] FROM met ORDER BY place DESC LIMIT 1)"""
_PAST: Final = "ON CONFLICT DO NOTHING"
LOOK: Final = _look(_EARLIEST, past="")
LOOK_PAST: Final = _look(_EARLIEST, past=_PAST)
LOOK_AT_KEYS: Final = _look(_OF_EACH_KEY, past="", more=_MET)
LOOK_AT_KEYS_PAST: Final = _look(_OF_EACH_KEY, past=_PAST, more=_MET)

# What is parked is let through where its key has room again: keys that are named, those whose time is over, by their
# rate or because somebody held them back, and a stretch of all keys, whatever was forgotten of them. Answers the queues
# in which jobs are due now, how many jobs that were, how many such times were over, how many keys the stretch had, and
# its last.
UNPARK: Final = sql(f"""
WITH RECURSIVE counted AS (
    DELETE FROM job_starts WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM job_starts WHERE until <= now() ORDER BY until LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING organization_id, type, key
), held AS (
    DELETE FROM job_key_holds WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM job_key_holds WHERE until <= now() ORDER BY until LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING organization_id, type, key
), hop AS (
    (SELECT organization_id, type, key FROM job_parked
      WHERE (organization_id, type, key) > (%(organization_id)s, %(type)s, %(key)s)
      ORDER BY organization_id, type, key LIMIT 1)
    UNION ALL
    SELECT n.* FROM hop CROSS JOIN LATERAL (
        SELECT p.organization_id, p.type, p.key FROM job_parked AS p
         WHERE (p.organization_id, p.type, p.key) > (hop.organization_id, hop.type, hop.key)
         ORDER BY p.organization_id, p.type, p.key LIMIT 1) AS n
), stretch AS MATERIALIZED (
    SELECT organization_id, type, key, row_number() OVER () AS place FROM (SELECT * FROM hop LIMIT %(hops)s) AS hop
), of_key AS MATERIALIZED (
    SELECT k.*, {_room("k")} AS room
      FROM (SELECT organization_id, type, key FROM counted UNION SELECT organization_id, type, key FROM held
            UNION SELECT organization_id, type, key FROM stretch
            UNION SELECT * FROM unnest(%(organizations)s::uuid[], %(types)s::text[], %(keys)s::text[])) AS k
      JOIN job_limits AS lim ON lim.type = k.type
), following AS MATERIALIZED (
    SELECT r.* FROM of_key CROSS JOIN LATERAL (
        SELECT p.* FROM job_parked AS p WHERE {same_key("p", "of_key")}
         ORDER BY p.priority, p.run_at, p.id LIMIT least(of_key.room, %(limit)s) FOR UPDATE SKIP LOCKED) AS r
), slots AS (
    INSERT INTO job_slots (job_id, organization_id, type, key)
    SELECT id, organization_id, type, key FROM following ON CONFLICT DO NOTHING
), moved_up AS (
    DELETE FROM job_parked AS p USING following AS f
     WHERE {same_key("p", "f")} AND p.priority = f.priority AND p.run_at = f.run_at AND p.id = f.id
    RETURNING p.queue, p.organization_id, p.priority, p.run_at, p.id, p.type
), ready AS (
    INSERT INTO job_ready (queue, organization_id, priority, run_at, id, type)
    SELECT queue, organization_id, priority, run_at, id, type FROM moved_up ON CONFLICT DO NOTHING
)
SELECT array(SELECT DISTINCT queue FROM moved_up), (SELECT count(*) FROM moved_up),
       (SELECT count(*) FROM counted) + (SELECT count(*) FROM held), (SELECT count(*) FROM stretch),
       last.organization_id, last.type, last.key
  FROM (VALUES (1)) AS one LEFT JOIN (SELECT * FROM stretch ORDER BY place DESC LIMIT 1) AS last ON true
""")  # noqa: S608 - constants

# Whether anything is parked, and in how many seconds there is something to look at.
PROBE: Final = sql("""
SELECT EXISTS (SELECT FROM job_parked),
       extract(epoch FROM least((SELECT min(run_at) FROM job_keyed), (SELECT min(until) FROM job_starts),
                                (SELECT min(until) FROM job_key_holds)) - clock_timestamp())::float8
""")

# A stretch of what was let through, of which nothing is left running: ended by the release before, which lets nothing
# go, or by hand. Answers how many were looked at, the last of them, and how many were wrong.
FORGET_SLOTS: Final = sql("""
WITH looked AS MATERIALIZED (
    SELECT job_id, organization_id, type, key FROM job_slots WHERE job_id > %(after)s ORDER BY job_id LIMIT %(limit)s
), gone AS (
    DELETE FROM job_slots AS s USING looked
     WHERE s.job_id = looked.job_id
       AND (NOT EXISTS (SELECT FROM jobs WHERE jobs.id = looked.job_id AND jobs.status = 'pending')
            OR EXISTS (SELECT FROM jobs JOIN job_parked AS p
                           ON p.organization_id = jobs.organization_id AND p.type = jobs.type
                          AND p.key = jobs.concurrency_key AND p.priority IN (jobs.priority, 9)
                          AND p.run_at = jobs.run_at AND p.id = jobs.id
                        WHERE jobs.id = looked.job_id))
    RETURNING s.job_id
)
SELECT (SELECT count(*) FROM looked), (SELECT job_id FROM looked ORDER BY job_id DESC LIMIT 1),
       (SELECT count(*) FROM gone)
""")
