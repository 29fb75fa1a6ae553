"""Every way in which a job ends, or an attempt at it: completed, settled, lost with its worker, cancelled.

What a worker has in hand lies on its tickets, and a ticket's row is the fence: each statement looks at the tickets that
it names, so that a late or second end, whose ticket is gone or names the job no more, changes nothing.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from singr_db._statements import sql
from singr_db.ending._dead_letters import DEAD_LETTER, STOOD
from singr_db.ending._flows import COUNT_MEMBERS, WOKEN
from singr_db.ending._follow_ups import AFTER_THE_END, HISTORY, RELEASE_KEY, RELEASE_SLOT, release_slot
from singr_db.ending._job_ends import FollowUp, looked_at
from singr_db.ending._keys import next_of_key
from singr_db.ending._places import PLACED_BY, RANK, SUSPECT, places, take_places

# What follow-ups may read of a job as the statement leaves it; `outcome` is the attempt's, none where it has none.
_CHANGED: Final = (*PLACED_BY, "unique_key", "flow_id", "status", "attempt", "error", "worker", "started_at")
_STOOD: Final = f", {STOOD} AS stood"
_WAITS_AGAIN: Final = places("changed")
# One row for a whole batch: who ends jobs asks about none of them.
_WORD: Final = f"count(*), {WOKEN}"
_JOBS: Final = f"SELECT {', '.join((*PLACED_BY, 'flow_id'))} FROM jobs WHERE status = 'pending'"  # noqa: S608 - constants

HELD: Final = """
patience AS MATERIALIZED (
    SELECT set_config('lock_timeout', '300ms', true) AS is_short
), held AS MATERIALIZED (
    SELECT token, ids, started_at FROM job_tickets
     WHERE (SELECT is_short FROM patience) IS NOT NULL AND token = ANY (%(tokens)s::bigint[]) FOR UPDATE
), lies AS MATERIALIZED (
    SELECT token, started_at, unnest(ids) AS id FROM held
), torn AS (
    DELETE FROM job_tickets WHERE token = ANY (%(spent)s::bigint[]) AND token IN (SELECT token FROM held)
)"""
"""The tickets that a worker's statement goes by, with the jobs on them; those that are spent with it are torn up.

It waits for no lock of others longer than a moment: while it does, its tickets' leases are not renewed.
"""
TRIMMED: Final = """
trimmed AS (
    UPDATE job_tickets AS t SET ids = ARRAY(SELECT id FROM unnest(t.ids) AS id WHERE id <> ALL (%(ids)s::uuid[]))
     WHERE t.token IN (SELECT token FROM held) AND t.token <> ALL (%(spent)s::bigint[])
)"""
"""The other tickets name the jobs no more that wait again: their silence would bring those back a second time."""


class End(NamedTuple):
    """A statement that ends jobs, in its two forms."""

    alone: str
    """For jobs whose end nothing follows (`IS_FOLLOWED` is false for them)."""
    followed: str
    """For any; answers how many it changed, and the queues in which others came to be due."""

    def sql(self, *, followed: bool) -> str:
        """The form to use."""
        return self.followed if followed else self.alone


def end_jobs(
    update: str,
    *,
    steps: str = "",
    outcome: str = "NULL::text",
    changed: Sequence[str] = _CHANGED,
    also: str = "",
    follow_ups: Sequence[FollowUp] = AFTER_THE_END,
    answer: str = "id",
) -> str:
    """Put one statement together that ends jobs, with what follows their end.

    Args:
        update: an `UPDATE jobs SET … WHERE …` that names the states which it expects.
        steps: what it reads, and what else is done: the parts of a WITH.
        outcome: of the attempt, for its row in the history; an expression.
        changed: the columns that follow-ups and the answer may read of each job, as the update leaves it.
        also: what else they may read, after a comma: an expression with its name.
        follow_ups: what else happens; without any the statement is the bare update, which answers nothing.
        answer: what it answers of the jobs that it changed.
    """
    if not follow_ups:
        return f"WITH {steps}\n{update}"
    columns = ", ".join(f"jobs.{name}" for name in changed)
    parts = [steps] if steps else []
    parts.append(f"changed AS ({update}\nRETURNING {columns}, {outcome} AS outcome{also})")
    parts += [f"{follow_up.name} AS ({follow_up.sql})" for follow_up in follow_ups]
    return f"WITH {', '.join(parts)}\nSELECT {answer} FROM changed WHERE {looked_at(follow_ups)}"


# By arrays and hashed sets: a join would compare each with all others where the planner expects one.
_WHERE_IT_WAITED: Final = """
       status = CASE WHEN id IN (SELECT id FROM waited) THEN 'cancelled' ELSE status END,
       finished_at = CASE WHEN id IN (SELECT id FROM waited) THEN now() ELSE finished_at END
 WHERE jobs.id = ANY (ARRAY(SELECT id FROM asked)) AND jobs.status = 'pending'"""


def cancel_where(condition: str, *, answer: str = "id") -> str:
    """Put the statement together that cancels jobs which wait and fit a condition on columns of `jobs`.

    Args:
        condition: with parameters in whichever style the caller registers it.
        answer: what it answers of the jobs that it cancelled.
    """
    return end_jobs(
        """
UPDATE jobs SET status = 'cancelled', finished_at = now(), cancel_requested = true
 WHERE jobs.id = ANY (ARRAY(SELECT id FROM waited)) AND jobs.status = 'pending'""",
        steps=f"asked AS MATERIALIZED ({_JOBS} AND {condition} FOR UPDATE), {take_places('asked')}",
        answer=answer,
    )


_complete: Final = """
UPDATE jobs SET status = 'completed', attempt = jobs.attempt + 1, progress = 100, error = NULL, finished_at = now(),
       started_at = lies.started_at, worker = %(worker)s, result = ended.result
  FROM unnest(%(ids)s::uuid[], %(results)s::jsonb[]) AS ended (id, result) JOIN lies USING (id)
 WHERE jobs.id = ended.id AND jobs.status = 'pending'"""
COMPLETE: Final = End(
    sql(end_jobs(_complete, steps=HELD, follow_ups=())),
    sql(end_jobs(_complete, steps=HELD, follow_ups=(*AFTER_THE_END, *next_of_key()), answer=_WORD)),
)

# A failed attempt: its row in the history, and the job to its next state, which may be another try. What another has
# taken the unique key of is not tried again: its payload is out of date.
_NEXT: Final = (
    "CASE WHEN given.status = 'pending' AND jobs.replaced_by IS NOT NULL THEN 'cancelled' ELSE given.status END"
)
_settle: Final = f"""
UPDATE jobs SET status = {_NEXT}, error = given.error, progress = 0, started_at = lies.started_at,
       worker = %(worker)s, attempt = jobs.attempt + CASE WHEN given.outcome = 'held' THEN 0 ELSE 1 END,
       run_at = CASE WHEN {_NEXT} = 'pending' THEN now() + given.delay * interval '1 second' ELSE run_at END,
       finished_at = CASE WHEN {_NEXT} = 'pending' THEN NULL ELSE now() END
  FROM unnest(%(ids)s::uuid[], %(statuses)s::text[], %(outcomes)s::text[], %(errors)s::jsonb[], %(delays)s::float8[])
       AS given (id, status, outcome, error, delay) JOIN lies USING (id)
 WHERE jobs.id = given.id AND jobs.status = 'pending'"""  # noqa: S608 - constants


def _settling(*follow_ups: FollowUp, answer: str) -> str:
    all_of_it = (HISTORY, *_WAITS_AGAIN, DEAD_LETTER, *follow_ups)
    steps = f"{HELD}, {TRIMMED}"
    return sql(
        end_jobs(_settle, steps=steps, outcome="given.outcome", also=_STOOD, follow_ups=all_of_it, answer=answer)
    )


# Whoever waits for another try does so behind its key: what was let through lets go either way.
SETTLE: Final = End(
    _settling(answer="count(*)"),
    _settling(RELEASE_KEY, COUNT_MEMBERS, release_slot("true"), *next_of_key(holding=True), answer=_WORD),
)

_UNWANTED: Final = "(cancel_requested OR replaced_by IS NOT NULL)"
_SUSPECTED: Final = f"CASE WHEN outcome = 'held' THEN {SUSPECT} ELSE {RANK} END"

# Silent: its worker died. By the clock as it was when somebody `looked` whether it had jumped: it may jump since.
# The attempt counts as lost; where it was the last, the job has failed. What was only on its way to a worker has not
# begun: it waits again. Of what a worker took ahead nobody knows what had begun: none pays for it, and all are
# suspects, which the next worker begins at once, so that it is known should they be lost again.
LOSE: Final = sql(
    end_jobs(
        steps="""
gone AS (
    DELETE FROM job_tickets WHERE token = ANY (ARRAY(
        SELECT token FROM job_tickets WHERE leased_until < LEAST(now(), to_timestamp(%(looked)s))
         ORDER BY leased_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED)) AND leased_until < now()
    RETURNING ids, state, state = 'working' AS begun, worker, started_at
), lies AS MATERIALIZED (
    SELECT unnest(ids) AS id, state, begun, worker, started_at FROM gone
)""",
        update=f"""
UPDATE jobs SET
       status = CASE WHEN {_UNWANTED} THEN 'cancelled' WHEN NOT begun OR attempt + 1 < max_attempts THEN 'pending'
                     ELSE 'failed' END,
       attempt = attempt + begun::int, solo = solo OR (begun AND attempt + 1 >= 2), progress = 0,
       error = CASE WHEN begun THEN %(error)s::jsonb ELSE error END,
       worker = CASE WHEN begun THEN lies.worker ELSE jobs.worker END,
       started_at = CASE WHEN begun THEN lies.started_at ELSE jobs.started_at END,
       run_at = CASE WHEN begun THEN now() ELSE run_at END,
       finished_at = CASE WHEN {_UNWANTED} OR (begun AND attempt + 1 >= max_attempts) THEN now() END
  FROM lies WHERE jobs.id = lies.id AND jobs.status = 'pending'""",  # noqa: S608 - a constant
        outcome="CASE state WHEN 'working' THEN 'lost' WHEN 'ahead' THEN 'held' END",
        also=_STOOD,
        follow_ups=(
            HISTORY,
            *places("changed", rank=_SUSPECTED, let_through=True),
            DEAD_LETTER,
            *AFTER_THE_END,
            *next_of_key(),
        ),
        answer=f"id, queue, type, status, attempt, outcome, {WOKEN}",
    )
)


def _cancelling(which: str, *, answer: str) -> str:
    """Cancel jobs at once where they wait, and else ask their workers, which leaves `cancel_requested` set."""
    return end_jobs(
        f"UPDATE jobs SET cancel_requested = true, {_WHERE_IT_WAITED}",  # noqa: S608 - constants
        steps=f"asked AS MATERIALIZED ({_JOBS} AND {which}), {take_places('asked')}",
        changed=("*",),
        answer=answer,
    )


# Run it with the job's row locked, or a job that comes back at this moment would be taken for one that somebody has in
# hand.
CANCEL: Final = _cancelling("id = %(id)s AND organization_id = %(organization_id)s FOR UPDATE", answer="*")

# Members of a flow that its caller has locked, a bite of them: whoever has one's row locked would wait for the flow.
CANCEL_FLOW: Final = _cancelling(
    "flow_id = %(flow_id)s AND NOT cancel_requested ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED",
    answer="id, status",
)

# Those whose rows the caller has locked.
CANCEL_MANY: Final = _cancelling("id = ANY (CAST(%(ids)s AS uuid[])) FOR UPDATE", answer="id, status")

# Another takes the place of a job that waits; one that somebody has in hand runs on, and is not tried again. Its unique
# key, which passes on, stays. Run it with the job's row locked, as above.
REPLACE: Final = sql(
    end_jobs(
        f"UPDATE jobs SET replaced_by = %(by)s, {_WHERE_IT_WAITED}",  # noqa: S608 - constants
        steps=f"asked AS MATERIALIZED ({_JOBS} AND id = %(id)s FOR UPDATE), {take_places('asked')}",
        follow_ups=(RELEASE_SLOT, COUNT_MEMBERS),
        answer="status = 'cancelled' AND started_at IS NULL AS was_new",
    ),
    roles=("platform", "tenant"),
)
