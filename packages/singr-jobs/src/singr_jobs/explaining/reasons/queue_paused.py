"""Somebody has paused its queue, or its organization in it."""

from typing import Final

from singr_jobs.explaining._case import Because, Case, told

ORDER: Final = 50


async def why(case: Case) -> Because | None:
    """Since when, for whom, by whom and why."""
    pause = case.queue
    if pause is None or pause.paused_at is None:
        return None
    whose = "" if pause.paused_whole else " for its organization"
    by = f" by {pause.paused_by}" if pause.paused_by else ""
    reason = f" ({pause.paused_for.rstrip('.')})" if pause.paused_for else ""
    words = (
        f"The queue {case.job.queue} is paused{whose} since {told(pause.paused_at)}{by}{reason}:"
        " it waits until that is resumed."
    )
    return Because(state="pending", reason="queue_paused", in_words=words, since=pause.paused_at)
