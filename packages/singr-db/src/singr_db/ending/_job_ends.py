"""When a job has ended, and the form of what follows its end."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from singr_db.tables import JobStatus

UNFINISHED: Final = f"('{JobStatus.PENDING.value}')"
"""A job in one of these states has not ended: it may yet run, and holds its unique key."""
HAS_ENDED: Final = f"changed.status NOT IN {UNFINISHED}"


class FollowUp(NamedTuple):
    """One part of the statement: reads the jobs that it changes from `changed`, by the columns of `_statements`.

    `changed` holds jobs that go on as well (a retry, one that is only asked to stop): those that have not
    `HAS_ENDED`.
    """

    name: str
    sql: str
    is_called: bool = False
    """Whether it is a query that calls a function: the statement looks at its answer, or it would not be run."""


def looked_at(follow_ups: Sequence[FollowUp]) -> str:
    """The condition, always true, by which a statement looks at those that would not be run otherwise."""
    calls = [
        f"(SELECT count(*) FROM {follow_up.name}) >= 0"  # noqa: S608 - a constant
        for follow_up in follow_ups
        if follow_up.is_called
    ]
    return " AND ".join(calls) or "true"
