"""Every way in which a job ends, or an attempt at it: completed, settled, lost with its worker, cancelled.

Each names the state and the lease's token that it expects, so that a late or second end changes nothing.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from singr_db._statements import sql
from singr_db.ending._follow_ups import AFTER_THE_END, HISTORY, UNFINISHED, FollowUp

# What follow-ups may read of a job as the statement leaves it; `outcome` is the attempt's, none where it has none.
_CHANGED: Final = ("id", "organization_id", "type", "queue", "status", "attempt", "error", "worker", "started_at")


class End(NamedTuple):
    """A statement that ends jobs, in its two forms."""

    alone: str
    """For jobs whose end nothing follows (`IS_FOLLOWED` is false for them)."""
    followed: str
    """For any."""

    def sql(self, *, followed: bool) -> str:
        """The form to use."""
        return self.followed if followed else self.alone


def end_jobs(
    update: str,
    *,
    given: str = "",
    outcome: str = "NULL::text",
    changed: Sequence[str] = _CHANGED,
    follow_ups: Sequence[FollowUp] = AFTER_THE_END,
    answer: str = "id",
) -> str:
    """Put one statement together that ends jobs, with what follows their end.

    Args:
        update: an `UPDATE jobs SET … WHERE …` that names the states which it expects.
        given: a query that the update reads, as `given`.
        outcome: of the attempt, for its row in the history; an expression.
        changed: the columns that follow-ups and the answer may read of each job, as the update leaves it.
        follow_ups: what else happens; without any the statement is the bare update.
        answer: what it answers of the jobs that it changed.
    """
    steps = [f"given AS ({given})"] if given else []
    if not follow_ups:
        return (f"WITH {steps[0]}\n" if steps else "") + f"{update}\nRETURNING jobs.id"
    columns = ", ".join(f"jobs.{name}" for name in changed)
    steps.append(f"changed AS ({update}\nRETURNING {columns}, {outcome} AS outcome)")
    steps += [f"{follow_up.name} AS ({follow_up.sql})" for follow_up in follow_ups]
    return f"WITH {', '.join(steps)}\nSELECT {answer} FROM changed"


def cancel_where(condition: str, *, answer: str = "id") -> str:
    """Put the statement together that cancels jobs which wait and fit a condition on columns of `jobs`.

    Args:
        condition: with parameters in whichever style the caller registers it.
        answer: what it answers of the jobs that it cancelled.
    """
    update = f"""
UPDATE jobs SET status = 'cancelled', finished_at = now(), cancel_requested = true
 WHERE status = 'pending' AND {condition}"""  # noqa: S608 - words of ours
    return end_jobs(update, answer=answer)


def _completion(update: str) -> End:
    return End(sql(end_jobs(update, follow_ups=())), sql(end_jobs(update)))


COMPLETE: Final = _completion("""
UPDATE jobs SET status = 'completed', progress = 100, error = NULL, finished_at = now(), leased_until = NULL
 WHERE id = ANY (%(ids)s::uuid[]) AND lease_token = ANY (%(tokens)s) AND status = 'processing'""")

COMPLETE_WITH_RESULTS: Final = _completion("""
UPDATE jobs SET status = 'completed', progress = 100, error = NULL, finished_at = now(), leased_until = NULL,
       result = ended.result
  FROM unnest(%(ids)s::uuid[], %(tokens)s::bigint[], %(results)s::jsonb[]) AS ended (id, token, result)
 WHERE jobs.id = ended.id AND jobs.id = ANY (%(ids)s::uuid[]) AND jobs.lease_token = ended.token
   AND jobs.status = 'processing'""")

# A failed attempt: its row in the history, and the job to its next state, which may be another try.
_settling = partial(
    end_jobs,
    given="""
    SELECT * FROM unnest(%(ids)s::uuid[], %(tokens)s::bigint[], %(statuses)s::text[], %(outcomes)s::text[],
                         %(errors)s::jsonb[], %(delays)s::float8[])
           AS t (id, token, status, outcome, error, delay)""",
    update="""
    UPDATE jobs SET status = given.status, error = given.error, lease_token = NULL, leased_until = NULL,
           attempt = jobs.attempt - CASE WHEN given.outcome = 'held' THEN 1 ELSE 0 END,
           run_at = CASE WHEN given.status = 'pending' THEN now() + given.delay * interval '1 second' ELSE run_at END,
           finished_at = CASE WHEN given.status = 'pending' THEN NULL ELSE now() END
      FROM given
     WHERE jobs.id = given.id AND jobs.id = ANY (%(ids)s::uuid[]) AND jobs.lease_token = given.token
       AND jobs.status = 'processing'""",
    outcome="given.outcome",
)
SETTLE: Final = End(
    sql(_settling(follow_ups=(HISTORY,))),
    sql(_settling(follow_ups=(HISTORY, *AFTER_THE_END))),
)

# Started and silent: its worker died. The attempt counts as lost; where it was the last, the job has failed.
LOSE: Final = sql(
    end_jobs(
        given="""
    SELECT id, lease_token FROM jobs WHERE status = 'processing' AND leased_until < now()
     ORDER BY leased_until LIMIT %(limit)s FOR UPDATE SKIP LOCKED""",
        update="""
UPDATE jobs SET
       status = CASE WHEN cancel_requested THEN 'cancelled' WHEN attempt >= max_attempts THEN 'failed'
                     ELSE 'pending' END,
       solo = solo OR attempt >= 2,
       error = %(error)s::jsonb, lease_token = NULL, leased_until = NULL, run_at = now(),
       finished_at = CASE WHEN cancel_requested OR attempt >= max_attempts THEN now() END
 WHERE id = ANY (ARRAY(SELECT id FROM given)) AND status = 'processing'""",
        outcome="'lost'",
        follow_ups=(HISTORY, *AFTER_THE_END),
        answer="id, queue, type, status, attempt",
    )
)

# At once where it waits, and else by asking its worker: it then is as it was, with `cancel_requested` set.
CANCEL: Final = end_jobs(
    f"""
UPDATE jobs SET cancel_requested = true,
       status = CASE WHEN status = 'processing' THEN status ELSE 'cancelled' END,
       finished_at = CASE WHEN status = 'processing' THEN finished_at ELSE now() END,
       lease_token = CASE WHEN status = 'processing' THEN lease_token END,
       leased_until = CASE WHEN status = 'processing' THEN leased_until END
 WHERE id = %(id)s AND organization_id = %(organization_id)s AND status IN {UNFINISHED}""",  # noqa: S608 - a constant
    changed=("*",),
    answer="*",
)
