"""No live worker works its queue, or none of those that do knows its type."""

from typing import Final

from singr_jobs.explaining._case import Because, Case

ORDER: Final = 60


async def why(case: Case) -> Because | None:
    """Which of both."""
    job = case.job
    if case.served is None or (job.queue, job.type) in case.served:
        return None
    elsewhere = sorted(queue for queue, job_type in case.served if job_type == job.type)
    if not any(queue == job.queue for queue, _ in case.served):
        words = f"No worker that lives serves the queue {job.queue}."
        return Because(state="pending", reason="queue_not_served", in_words=words, since=job.run_at)
    also = f" (some run it from {', '.join(elsewhere)})" if elsewhere else ""
    words = f"The workers of the queue {job.queue} do not know the type {job.type}{also}: is a release missing?"
    return Because(state="pending", reason="type_unknown", in_words=words, since=job.run_at)
