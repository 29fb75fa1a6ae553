"""Where a job waits that has not ended: among those that are due, or among those whose time has not come."""

from typing import Final

from singr_db.ending._job_ends import FollowUp

SUSPECT: Final = 8
"""The priority, among what waits, of jobs that may have been what killed their worker: taken to begin at once."""
ALONE: Final = 9
"""The priority, among what waits, of jobs that run one at a time."""
ANY_RANK: Final = f"(0, 1, 2, {SUSPECT}, {ALONE})"
"""Every priority among what waits: a job that somebody has given another one may lie under that of before."""
RANK: Final = f"CASE WHEN solo THEN {ALONE} ELSE priority END"
PLACED_BY: Final = ("queue", "organization_id", "priority", "solo", "run_at", "id", "type", "concurrency_key")
"""The columns of a job that its place is made of."""

_ARRAYS: Final = ", ".join(
    f"array_agg({name})" for name in ("queue", "organization_id", "type", "concurrency_key", "run_at", "id")
)


def places(source: str, *, rank: str = RANK, let_through: bool = False) -> tuple[FollowUp, ...]:
    """Give a place to each pending job of a relation that has the columns `PLACED_BY` and `status`.

    One that has it already keeps it: where somebody placed it by hand, that shall harm nobody else.

    Args:
        source: the relation.
        rank: the priority of a job among what waits.
        let_through: these jobs were let through by their keys before, and still are; else one with a key waits for its
            first look.
    """
    columns = "queue, organization_id, priority, run_at, id, type"
    values = f"SELECT queue, organization_id, {rank}, run_at, id, type"
    pending = f"FROM {source} WHERE status = 'pending'"
    free = pending if let_through else f"{pending} AND concurrency_key IS NULL"
    given = (
        FollowUp(
            "readied", f"INSERT INTO job_ready ({columns}) {values} {free} AND run_at <= now() ON CONFLICT DO NOTHING"
        ),
        FollowUp(
            "deferred", f"INSERT INTO job_later ({columns}) {values} {free} AND run_at > now() ON CONFLICT DO NOTHING"
        ),
    )
    if let_through:
        return given
    keyed = f"INSERT INTO job_keyed ({columns}, key) {values}, concurrency_key {pending}"
    return (*given, FollowUp("keyed", f"{keyed} AND concurrency_key IS NOT NULL ON CONFLICT DO NOTHING"))


def take_places(source: str) -> str:
    """Take the places away that jobs of a relation have: `waited` then holds the ids of those that had one.

    One job at a time, in a function: what a queue's tables held when the planner last looked says nothing about now,
    and a join with them compared each of many jobs with every place (10,000 of them took half a minute). Members of
    flows may move meanwhile, from one place to another: theirs are taken with their flows locked.
    """
    return f"""
waited AS MATERIALIZED (
    SELECT taken.id FROM (
        SELECT {_ARRAYS} FROM {source} WHERE flow_id IS NULL HAVING count(*) > 0
    ) AS asked_for (queues, organizations, types, keys, run_ats, ids),
           take_places(queues, organizations, types, keys, run_ats, ids) AS taken (id)
    UNION ALL
    SELECT taken.id FROM (
        SELECT array_agg(id), array_agg(flow_id) FROM {source} WHERE flow_id IS NOT NULL HAVING count(*) > 0
    ) AS asked_for (ids, flows), take_members(ids, flows) AS taken (id)
)"""  # noqa: S608 - constants


# Where it lies, a place keeps its row: whoever takes it at this moment leaves it for the next time. What a first answer
# is built from is kept beside (decision 57). Those that lie apart, or are in hand, have it when they wait again.
REPRIORITIZE: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT {", ".join(PLACED_BY)} FROM jobs
     WHERE status = 'pending' AND id = ANY (CAST(%(ids)s AS uuid[])) AND priority <> CAST(%(priority)s AS smallint)
       FOR UPDATE
), kept AS (
    INSERT INTO first_priorities (job_id, priority) SELECT id, priority FROM asked ON CONFLICT DO NOTHING
), ranked AS MATERIALIZED (
    SELECT rank_places(CAST(%(priority)s AS smallint), priorities, queues, organizations, types, keys, run_ats, ids)
      FROM (SELECT array_agg(priority), {_ARRAYS} FROM asked HAVING count(*) > 0)
           AS asked_for (priorities, queues, organizations, types, keys, run_ats, ids)
)
UPDATE jobs SET priority = CAST(%(priority)s AS smallint)
 WHERE jobs.id = ANY (ARRAY(SELECT id FROM asked)) AND (SELECT count(*) FROM ranked) > 0
RETURNING jobs.id
"""  # noqa: S608 - constants
