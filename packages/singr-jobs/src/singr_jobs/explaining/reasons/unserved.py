"""No live worker works its queue, or none of those that do knows its type."""

from typing import Final

from singr_jobs.explaining._case import Because, Case

ORDER: Final = 60


async def why(case: Case) -> Because | None:
    """Which of both."""
    job, queue = case.job, case.queue
    if queue is None or queue.workers_that_know_the_type:
        return None
    if not queue.workers:
        words = f"No live worker serves the queue {job.queue}."
        return Because(state="pending", reason="queue_not_served", in_words=words, since=job.run_at)
    also = f" (some run it from {', '.join(queue.known_in)})" if queue.known_in else ""
    words = f"The workers of the queue {job.queue} do not know the type {job.type}{also}: is a release missing?"
    return Because(state="pending", reason="type_unknown", in_words=words, since=job.run_at)
