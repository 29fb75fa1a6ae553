"""What follows the end of a job or of an attempt, within the statement that ends it: both are committed, or neither.

A new follow-up is a `FollowUp` in `AFTER_THE_END`, and what says of a job that it is needed in `IS_FOLLOWED`.
"""

from typing import Final

from singr_db.ending._flows import COUNT_MEMBERS
from singr_db.ending._job_ends import HAS_ENDED, FollowUp

HISTORY: Final = FollowUp(
    "history",
    """
    INSERT INTO job_attempts (job_id, attempt, organization_id, outcome, error, worker, started_at, finished_at)
    SELECT id, attempt, organization_id, outcome, error, worker, started_at, now() FROM changed
     WHERE outcome <> 'held'
    ON CONFLICT (job_id, attempt) DO UPDATE
       SET organization_id = excluded.organization_id, outcome = excluded.outcome, error = excluded.error,
           worker = excluded.worker, started_at = excluded.started_at, finished_at = excluded.finished_at""",
)
"""The attempt's row, in place of one of an earlier job with this id, which went with its partition.

An attempt that was held back is as if it had not been: it has none, and its number is used again.
"""

RELEASE_KEY: Final = FollowUp(
    "released",
    f"""
    DELETE FROM job_unique_keys AS held USING changed
     WHERE changed.unique_key IS NOT NULL AND held.job_id = changed.id AND {HAS_ENDED}
       AND (held.until IS NULL OR held.until <= now())""",  # noqa: S608 - a constant
)
"""The unique key that the job held is free again, unless it is held for a time that is not over."""


def release_slot(when: str) -> FollowUp:
    """The room that the job took of its key's limit is free again, where `when` is true of it."""
    return FollowUp(
        "let_go",
        f"""
    DELETE FROM job_slots AS slot USING changed
     WHERE changed.concurrency_key IS NOT NULL AND slot.job_id = changed.id AND {when}
    RETURNING slot.job_id, slot.organization_id, slot.type, slot.key, changed.started_at""",  # noqa: S608 - a constant
    )


RELEASE_SLOT: Final = release_slot(HAS_ENDED)
"""For those who may give nobody a place; workers go on with `next_of_key`."""

AFTER_THE_END: Final = (RELEASE_KEY, RELEASE_SLOT, COUNT_MEMBERS)

IS_FOLLOWED: Final = "(unique_key IS NOT NULL OR concurrency_key IS NOT NULL OR flow_id IS NOT NULL)"
"""Whether anything of `AFTER_THE_END` concerns a job, by its row: the many others end by a shorter statement."""
