"""What operators set for its queue, or for its organization in it, is reached."""

from datetime import timedelta
from typing import Final

from singr_jobs.explaining._case import Because, Case

ORDER: Final = 65
_AT_ONCE: Final = timedelta(seconds=2)
"""For so long a job may be due before a rate counts as what it waits for: workers look each second."""


async def why(case: Case) -> Because | None:
    """Which limit: on what is in hand, counted from tickets, or on how fast jobs start."""
    job, queue = case.job, case.queue
    if queue is None:
        return None
    own = f"of its organization in the queue {job.queue}"
    whole = f"of the queue {job.queue}"
    limits = ((queue.most, queue.in_hand, whole), (queue.most_of_own, queue.own_in_hand, own))
    for most, in_hand, whose in limits:
        if most is not None and in_hand >= most:
            words = (
                f"Waits for one of {in_hand} jobs {whose} to end: {most} may be in hand at once."
                if in_hand == most
                else f"{in_hand} jobs {whose} are in hand, and {most} may be at once: that was lowered meanwhile."
            )
            return Because(state="pending", reason="limit_reached", in_words=words, since=job.run_at)
    rates = (
        (queue.rate_count, queue.rate_seconds, whole),
        (queue.own_rate_count, queue.own_rate_seconds, own),
    )
    for count, seconds, whose in rates:
        if count is not None and case.now - job.run_at > _AT_ONCE:
            words = f"Waits its turn: {count} jobs {whose} may start in {seconds:g} s."
            return Because(state="pending", reason="limit_reached", in_words=words, since=job.run_at)
    return None
