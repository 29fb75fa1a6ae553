"""The statements of a job's life between intake and end, all of them short, all of them safe to run from anywhere.

What waits lies in `job_ready`, or in `job_later` until its time comes. A worker *takes* jobs: their places are gone,
and a ticket of its own names them, leased. One that cannot begin what it took *gives it back*, or *hands it over* on
another ticket to whoever *accepts* that first. Then the jobs end (`singr_db.ending`), or an attempt at them does, and
only then their own rows are written.

Whatever takes jobs names the types that it knows; a job of another type is left where it is.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from singr_db import sql
from singr_db.ending import ANY_RANK, HELD, IS_FOLLOWED, PLACED_BY, TRIMMED, places
from singr_jobs.taking._rules import NO_RULES, RULES

# What waits rises by a priority in so many seconds, so that what is urgent does not hold up the rest for ever.
RISES_AFTER: Final = 300


def uuid_array(ids: Iterable[UUID]) -> str:
    """Ids as PostgreSQL reads an array of them; written here in a third of the time the driver takes."""
    return "{" + ",".join([job_id.hex for job_id in ids]) + "}"


def _lease(source: str, state: str) -> str:
    """The ticket of all jobs of a relation, whose lease begins now; the state is an expression."""
    return f"""
    INSERT INTO job_tickets (token, queue, ids, state, leased_until, worker, started_at)
    SELECT %(token)s, min(queue), array_agg(id), {state}, clock_timestamp() + %(lease)s * interval '1 second',
           %(worker)s, now()
      FROM {source} HAVING count(*) > 0"""  # noqa: S608 - constants


# What a worker needs of a job (`ClaimedJob`), of the attempt that begins with this. One that waited again since another
# took its place (`replaced_by`) has been asked to stop before it begins.
_CLAIMED: Final = f"""
       j.id, j.organization_id, j.type, j.payload::text, j.attempt + 1, j.max_attempts, j.backoff, j.timeout,
       {IS_FOLLOWED}, j.correlation_id, j.traceparent, coalesce(j.error -> 'outage', j.error -> 'over_time')::text,
       j.cancel_requested OR j.replaced_by IS NOT NULL,
       extract(epoch FROM now() - greatest(j.run_at, j.created_at))::float8, j.concurrency_key"""

# In turns: every organization's first job, then every second one … An organization's own order is by priority, then by
# time. Within a turn lots are drawn, so that where there is room for one job the same organization does not always get
# it. The organizations are found by hopping along the index, so one with a million waiting jobs costs one hop. Behind
# the last one it goes on with the first: each of many is looked at as often as any other.
#
# The row lock of the DELETE decides who has a job. Two that delete the same rows would wait for each other, so a queue
# is taken from by one at a time, and who comes in between is told to try again. Where somebody else has a row locked (a
# cancellation that is not committed), this fails in a moment, and TAKE_PAST goes around: locking costs a write a job.
#
# What can begin at once is `working`; of more, nobody but their worker knows which have begun: they are `ahead`.
#
# That a crash of the server may undo this is no loss: the jobs wait again, and whoever had them finds no ticket. The
# first end that is written carries it to disk.
_TAKE: Final = f"""
WITH RECURSIVE gate AS MATERIALIZED (
    SELECT ruled, set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '100ms', true)
      FROM job_gates WHERE name = %(queue)s FOR UPDATE SKIP LOCKED
), hop AS (
    (SELECT organization_id FROM job_ready
      WHERE queue = %(queue)s AND organization_id > %(after)s AND EXISTS (SELECT FROM gate WHERE ruled = {{ruled}})
      ORDER BY organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT r.organization_id FROM job_ready r
             WHERE r.queue = %(queue)s AND r.organization_id > hop.organization_id
             ORDER BY r.organization_id LIMIT 1)
      FROM hop WHERE hop.organization_id IS NOT NULL
), again AS (
    (SELECT organization_id FROM job_ready
      WHERE queue = %(queue)s AND organization_id <= %(after)s AND EXISTS (SELECT FROM gate WHERE ruled = {{ruled}})
      ORDER BY organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT r.organization_id FROM job_ready r
             WHERE r.queue = %(queue)s AND r.organization_id > again.organization_id
               AND r.organization_id <= %(after)s
             ORDER BY r.organization_id LIMIT 1)
      FROM again WHERE again.organization_id IS NOT NULL
), {{org}}, due AS MATERIALIZED (
    SELECT r.at, {{kept}}row_number() OVER (
               PARTITION BY org.organization_id
               ORDER BY level.priority - floor(extract(epoch FROM now() - r.run_at) / {RISES_AFTER}), r.run_at, r.id
           ) AS turn
      FROM org
     CROSS JOIN (VALUES (0::smallint), (1::smallint), (2::smallint)) AS level (priority)
     CROSS JOIN LATERAL (
        SELECT ctid AS at, run_at, id FROM job_ready
         WHERE queue = %(queue)s AND organization_id = org.organization_id AND priority = level.priority
           AND type = ANY (%(types)s)
         ORDER BY run_at
         LIMIT LEAST(%(room)s, GREATEST(1, 4096 / (SELECT count(*) FROM org)))
        {{past}}
     ) AS r
), chosen AS MATERIALIZED (
    {{chosen}}
), taken AS (
    DELETE FROM job_ready WHERE ctid = ANY (ARRAY(SELECT at FROM chosen)) RETURNING ctid AS at, queue, id
), ticket AS ({_lease("taken", "CASE WHEN count(*) <= %(places)s THEN 'working' ELSE 'ahead' END")}
)
SELECT looked.ruled, looked.organizations, looked.last, looked.chosen, begun.*
  FROM (SELECT (SELECT ruled FROM gate) AS ruled, (SELECT count(*) FROM chosen) AS chosen, count(*) AS organizations,
               (array_agg(organization_id ORDER BY organization_id <= %(after)s DESC, organization_id DESC))[1] AS last
          FROM org) AS looked
  LEFT JOIN (SELECT {_CLAIMED}
               FROM taken JOIN chosen USING (at) JOIN jobs AS j USING (id)
              WHERE j.status = 'pending' ORDER BY turn, lot) AS begun ON true
"""  # noqa: S608 - constants
_FREELY: Final = {
    "ruled": "false",
    "org": """org AS MATERIALIZED (
    SELECT organization_id FROM (SELECT organization_id FROM hop UNION ALL SELECT organization_id FROM again) AS ring
     WHERE organization_id IS NOT NULL LIMIT %(organizations)s
)""",
    "kept": "",
    "chosen": "SELECT at, turn, random() AS lot FROM due ORDER BY turn, lot LIMIT %(room)s",
}
# By what operators have set (`queue_settings`), and by what a process keeps back for others (`shares`). Limits count
# what lies on tickets; whether they are near, the lengths of tickets say, and only then is it looked at whose jobs
# those are, and which have ended. Who is over a limit, or paused, is looked at like the others and given nothing.
_BY_RULES: Final = {
    "ruled": "%(ruled)s",
    "org": f"""{RULES}, org AS MATERIALIZED (
    SELECT organization_id, COALESCE(own.weight, 1) AS weight,
           CASE WHEN own.paused THEN 0
                ELSE LEAST(COALESCE(own.most, rule.each) - COALESCE(in_hand.jobs, 0), COALESCE(share.most, %(share)s))
           END AS most
      FROM (SELECT organization_id
              FROM (SELECT organization_id FROM hop UNION ALL SELECT organization_id FROM again) AS ring
             WHERE organization_id IS NOT NULL LIMIT %(organizations)s) AS found
     CROSS JOIN rule LEFT JOIN own USING (organization_id) LEFT JOIN in_hand USING (organization_id)
      LEFT JOIN unnest(%(sharers)s::uuid[], %(shares)s::int[]) AS share (organization_id, most) USING (organization_id)
)""",  # noqa: S608 - constants
    "kept": "org.weight, org.most, ",
    "chosen": """SELECT at, (turn - 1) / weight AS turn, random() AS lot FROM due WHERE most IS NULL OR turn <= most
     ORDER BY 2, 3 LIMIT (SELECT room FROM budget)""",
}
# By what a process keeps back, where operators have set nothing.
_BY_SHARES: Final = {**_BY_RULES, "ruled": "false", "org": _BY_RULES["org"].replace(RULES, NO_RULES)}
_PAST: Final = "FOR UPDATE SKIP LOCKED"
TAKE = sql(_TAKE.format(past="", **_FREELY))
TAKE_PAST = sql(_TAKE.format(past=_PAST, **_FREELY))
TAKE_BY_SHARES = sql(_TAKE.format(past="", **_BY_SHARES))
TAKE_PAST_BY_SHARES = sql(_TAKE.format(past=_PAST, **_BY_SHARES))
TAKE_BY_RULES = sql(_TAKE.format(past="", **_BY_RULES))
TAKE_PAST_BY_RULES = sql(_TAKE.format(past=_PAST, **_BY_RULES))

# Jobs of one of the priorities that set them apart: all of them begin at once. In turns: every organization's first
# job, from the one on that comes after who was last; then every second one … They are few, and ranked each time. More
# than its share nobody is given.
_TAKE_APART: Final = f"""
WITH {{rules}}taken AS (
    DELETE FROM job_ready WHERE ctid = ANY (ARRAY(
        SELECT free.at FROM (
            SELECT waits.at FROM (
                SELECT ctid AS at, organization_id,
                       row_number() OVER (PARTITION BY organization_id ORDER BY run_at, id) AS turn
                  FROM job_ready
                 WHERE priority > 2 AND priority = %(priority)s AND queue = %(queue)s AND type = ANY (%(types)s)
                   AND {{may}}) AS waits
              LEFT JOIN unnest(%(sharers)s::uuid[], %(shares)s::int[]) AS share (organization_id, most)
                  USING (organization_id)
             WHERE turn <= COALESCE(share.most, %(share)s::int, turn)
             ORDER BY turn, organization_id <= %(after)s, organization_id) AS ranked
         CROSS JOIN LATERAL (
            SELECT ctid AS at FROM job_ready WHERE ctid = ranked.at FOR UPDATE SKIP LOCKED) AS free
         LIMIT {{room}}))
    RETURNING queue, id
), ticket AS ({_lease("taken", "'working'")}
)
SELECT {_CLAIMED} FROM taken JOIN jobs AS j USING (id) WHERE j.status = 'pending'
"""  # noqa: S608 - constants
TAKE_APART = sql(
    _TAKE_APART.format(
        rules="", may="NOT EXISTS (SELECT FROM job_gates WHERE name = %(queue)s AND ruled)", room="%(room)s"
    )
)
# One at a time: whoever has all that it may have is left out.
TAKE_APART_BY_RULES = sql(
    _TAKE_APART.format(
        rules=f"{RULES}, ",
        may="""organization_id NOT IN (
            SELECT organization_id FROM own WHERE paused
            UNION SELECT organization_id FROM in_hand CROSS JOIN rule LEFT JOIN own USING (organization_id)
             WHERE jobs >= COALESCE(own.most, rule.each))""",
        room="LEAST(1, (SELECT room FROM budget))",
    )
)

# Jobs taken and not begun wait again, where they waited; no attempt counts.
_OURS: Final = f"""{HELD}, ours AS MATERIALIZED (
    SELECT {", ".join(f"jobs.{name}" for name in (*PLACED_BY, "status"))}
      FROM lies JOIN jobs USING (id) WHERE lies.id = ANY (%(ids)s::uuid[]) AND jobs.status = 'pending'
), {TRIMMED}"""  # noqa: S608 - constants
_PLACED: Final = ", ".join(f"{step.name} AS ({step.sql})" for step in places("ours", let_through=True))
GIVE_BACK = sql(f"WITH {_OURS}, {_PLACED} SELECT count(*) FROM ours")  # noqa: S608 - constants

# The same of jobs whose key is held back: they let go of what they took of its limit, and wait for another first look.
GIVE_BACK_BEHIND_KEYS = sql(f"""
WITH {_OURS}, let_go AS (DELETE FROM job_slots AS slot USING ours WHERE slot.job_id = ours.id),
     {", ".join(f"{step.name} AS ({step.sql})" for step in places("ours"))}
SELECT count(*) FROM ours
""")  # noqa: S608 - constants

# The same for all that whole tickets name; who holds such a ticket finds nothing left.
_GIVE_BACK_TICKETS: Final = f"""
WITH torn AS (
    DELETE FROM job_tickets WHERE token = ANY (%(tokens)s::bigint[]){{and_so}} RETURNING ids
), ours AS MATERIALIZED (
    SELECT {", ".join(f"jobs.{name}" for name in (*PLACED_BY, "status"))}
      FROM (SELECT unnest(ids) AS id FROM torn) AS lies JOIN jobs USING (id) WHERE jobs.status = 'pending'
), {_PLACED}
SELECT count(*) FROM ours
"""  # noqa: S608 - constants
GIVE_BACK_TICKETS = sql(_GIVE_BACK_TICKETS.format(and_so=""))
# Only those that nobody has accepted.
GIVE_BACK_UNACCEPTED = sql(_GIVE_BACK_TICKETS.format(and_so=" AND state = 'travelling'"))

# Onto a ticket that travels: whoever accepts it first has its jobs.
HAND_OVER = sql(f"""
WITH {_OURS}, ticket AS ({_lease("ours", "'travelling'")}
)
SELECT count(*) FROM ours
""")  # noqa: S608 - constants

ACCEPT = sql(f"""
WITH mine AS (
    UPDATE job_tickets SET state = 'ahead', worker = %(worker)s, started_at = now(),
           leased_until = clock_timestamp() + %(lease)s * interval '1 second'
     WHERE token = ANY (%(tokens)s::bigint[]) AND state = 'travelling' AND queue = %(queue)s
    RETURNING token, ids
)
SELECT mine.token, {_CLAIMED}
  FROM (SELECT token, unnest(ids) AS id FROM mine) AS mine JOIN jobs AS j USING (id) WHERE j.status = 'pending'
""")  # noqa: S608 - constants

# Tickets alone, and none that is locked: whatever else waits, the leases go on. Answers those that are still there, and
# whether they were renewed; one that its own outcomes lock just now is asked for again. They wait neither for the disk
# nor for a synchronous standby that is away: after a crash of the server everybody is patient for a lease (`Sweeper`).
RENEW = sql("""
WITH unflushed AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), renewed AS (
    UPDATE job_tickets SET leased_until = clock_timestamp() + %(lease)s * interval '1 second'
     WHERE EXISTS (SELECT FROM unflushed) AND token = ANY (ARRAY(
            SELECT token FROM job_tickets WHERE token = ANY (%(tokens)s::bigint[]) FOR UPDATE SKIP LOCKED))
    RETURNING token
)
SELECT token, token IN (SELECT token FROM renewed) FROM job_tickets WHERE token = ANY (%(tokens)s::bigint[])
""")

UNWANTED = sql("""
SELECT id FROM jobs WHERE id = ANY (%(ids)s::uuid[]) AND cancel_requested AND status = 'pending'
""")

# Which of these jobs nobody else has locked just now, nor their flows.
UNLOCKED = sql("""
WITH free AS MATERIALIZED (
    SELECT id FROM flows WHERE id = ANY (ARRAY(
        SELECT flow_id FROM jobs WHERE id = ANY (%(ids)s::uuid[]) AND flow_id IS NOT NULL)) FOR UPDATE SKIP LOCKED
)
SELECT id FROM jobs WHERE id = ANY (%(ids)s::uuid[]) AND (flow_id IS NULL OR flow_id IN (SELECT id FROM free))
   FOR UPDATE SKIP LOCKED
""")

TIME_AND_TICKETS = sql("SELECT extract(epoch FROM clock_timestamp())::float8, EXISTS (SELECT FROM job_tickets)")

# Whoever has the job's row locked, be it a transaction of its own handler, is not waited for.
PROGRESS = sql("""
UPDATE jobs SET progress = %(progress)s
 WHERE id = %(id)s AND status = 'pending'
   AND id = ANY (ARRAY(SELECT id FROM jobs WHERE id = %(id)s FOR NO KEY UPDATE SKIP LOCKED))
   AND EXISTS (SELECT FROM job_tickets WHERE token = %(token)s AND %(id)s = ANY (ids))
""")

# Changes no row, and waits or fails where a sweep would: for locks of whole tables, and where nothing may be written.
# What it does not wait for is its commit, which leaves no word in the log of changes (`LEAVE_A_WORD` does).
PROBE = sql("""
WITH gone AS (DELETE FROM job_tickets WHERE false) UPDATE jobs SET progress = progress WHERE false
""")

# How many jobs there are by queue, state and type, and of those that may be taken since when the oldest could be.
DEPTHS = sql("""
SELECT queue, 'waiting' AS state, type, count(*), min(run_at) FROM job_ready GROUP BY queue, type
UNION ALL
SELECT queue, CASE WHEN run_at > now() THEN 'delayed' ELSE 'waiting' END, type, count(*), NULL
  FROM job_later GROUP BY 1, 2, 3
UNION ALL
SELECT queue, CASE WHEN run_at > now() THEN 'delayed' ELSE 'waiting' END, type, count(*), NULL
  FROM job_keyed GROUP BY 1, 2, 3
UNION ALL
SELECT queue, 'parked', type, count(*), NULL FROM job_parked GROUP BY queue, type
UNION ALL
SELECT queue, 'dependent', type, count(*), NULL FROM job_waiting GROUP BY queue, type
UNION ALL
SELECT t.queue, 'active', jobs.type, count(*), NULL
  FROM job_tickets AS t CROSS JOIN LATERAL unnest(t.ids) AS held (id) JOIN jobs ON jobs.id = held.id
 WHERE jobs.status = 'pending' GROUP BY t.queue, jobs.type
""")

# Jobs that have not ended and lie nowhere: nobody would ever take them. Every change moves a job within one statement,
# so in one look there is none; those of the last minute are left out, in case somebody places them by hand just now.
_ASTRAY: Final = f"""
    SELECT {", ".join(f"jobs.{name}" for name in (*PLACED_BY, "status"))} FROM jobs
     WHERE status = 'pending' AND created_at < now() - interval '1 minute'
       AND NOT EXISTS (SELECT FROM job_ready AS r
                        WHERE r.queue = jobs.queue AND r.organization_id = jobs.organization_id
                          AND r.priority IN {ANY_RANK}
                          AND r.run_at = jobs.run_at AND r.id = jobs.id)
       AND NOT EXISTS (SELECT FROM job_later AS l WHERE l.run_at = jobs.run_at AND l.id = jobs.id)
       AND NOT EXISTS (SELECT FROM job_keyed AS k WHERE k.run_at = jobs.run_at AND k.id = jobs.id)
       AND NOT EXISTS (SELECT FROM job_parked AS p
                        WHERE p.organization_id = jobs.organization_id AND p.type = jobs.type
                          AND p.key = jobs.concurrency_key AND p.priority IN {ANY_RANK}
                          AND p.run_at = jobs.run_at AND p.id = jobs.id)
       AND NOT EXISTS (SELECT FROM job_waiting AS w WHERE w.id = jobs.id)
       AND id NOT IN (SELECT unnest(ids) FROM job_tickets)"""  # noqa: S608 - constants
# The gate of the audit, which no queue's name can be.
_AUDIT: Final = "*audit"
PLACE_ASTRAY = sql(f"""
WITH gate AS MATERIALIZED (
    SELECT FROM job_gates WHERE name = '{_AUDIT}' FOR UPDATE SKIP LOCKED
), ours AS MATERIALIZED ({_ASTRAY} AND EXISTS (SELECT FROM gate) LIMIT %(limit)s
), {", ".join(f"{step.name} AS ({step.sql})" for step in places("ours"))}
SELECT queue, count(*) FROM ours GROUP BY queue
""")  # noqa: S608 - constants

# The other way round: jobs that lie in two places would run twice. Who has one in hand keeps it.
UNPLACE_TWICE_PLACED = sql(f"""
WITH gate AS (
    INSERT INTO job_gates (name) VALUES ('{_AUDIT}') ON CONFLICT DO NOTHING
), held AS MATERIALIZED (
    SELECT unnest(ids) AS id FROM job_tickets
), unreadied AS (
    DELETE FROM job_ready WHERE id IN (SELECT id FROM held) RETURNING queue
), undeferred AS (
    DELETE FROM job_later WHERE id IN (SELECT id FROM held) OR id IN (SELECT id FROM job_ready) RETURNING queue
), unkeyed AS (
    DELETE FROM job_keyed
     WHERE id IN (SELECT id FROM held) OR id IN (SELECT id FROM job_ready) OR id IN (SELECT id FROM job_later)
    RETURNING queue
), unparked AS (
    DELETE FROM job_parked
     WHERE id IN (SELECT id FROM held) OR id IN (SELECT id FROM job_ready) OR id IN (SELECT id FROM job_later)
        OR id IN (SELECT id FROM job_keyed)
    RETURNING queue
), unwaited AS (
    DELETE FROM job_waiting
     WHERE id IN (SELECT id FROM held UNION ALL SELECT id FROM job_ready UNION ALL SELECT id FROM job_later
                  UNION ALL SELECT id FROM job_keyed UNION ALL SELECT id FROM job_parked)
    RETURNING queue
)
SELECT queue, count(*) FROM (SELECT queue FROM unreadied UNION ALL SELECT queue FROM undeferred
                             UNION ALL SELECT queue FROM unkeyed UNION ALL SELECT queue FROM unparked
                             UNION ALL SELECT queue FROM unwaited) AS twice
 GROUP BY queue
""")  # noqa: S608 - a constant
