"""Somebody has paused its queue, or its organization in it."""

from typing import Final

from singr_db import sql_text
from singr_jobs.explaining._case import Because, Case, told

ORDER: Final = 50
_PAUSED: Final = sql_text("SELECT paused_at, whole FROM pause_of_queue(:queue)", roles=("tenant",))


async def why(case: Case) -> Because | None:
    """Since when, and whether it is paused for all; by whom and why is for operators to read."""
    row = (await case.session.execute(_PAUSED, {"queue": case.job.queue})).one_or_none()
    if row is None:
        return None
    whose = "" if row.whole else " for its organization"
    words = f"The queue {case.job.queue} is paused{whose} since {told(row.paused_at)}: it waits until that is resumed."
    return Because(state="pending", reason="queue_paused", in_words=words, since=row.paused_at)
