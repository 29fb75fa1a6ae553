"""Inserting many jobs at once, with their places among what waits; apart from the row, which loads no database."""

from collections.abc import Mapping

from singr_db.ending import PLACED_BY, FollowUp, places
from singr_jobs.intake._row import insert_jobs


def insert_many_jobs(source: str, *more: str, stored: Mapping[str, str]) -> str:
    """The INSERT of all jobs of `source`, as `insert_jobs` has it, and of their places: the parts of a WITH.

    Cheaper than the table's trigger, and for the platform alone: nobody else may give places.
    """
    insert = insert_jobs(source, *more, "placed", stored={**stored, "placed": "true"})
    returned = ", ".join((*PLACED_BY, "status"))
    steps = [FollowUp("job", f"{insert}\nRETURNING {returned}"), *places("job")]
    return ", ".join(f"{step.name} AS ({step.sql})" for step in steps)
