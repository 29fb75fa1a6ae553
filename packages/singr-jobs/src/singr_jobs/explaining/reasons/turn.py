"""It is due and waits its turn, behind others of its organization or next."""

from typing import Final

from singr_jobs.explaining._case import Because, Case

ORDER: Final = 90
COUNTED: Final = 1000
"""So far is counted how many are before it."""


async def why(case: Case) -> Because | None:
    """How many are before it; and of a job that lies nowhere, who brings it back."""
    job = case.job
    if case.rank is None:
        words = "Is moving from one place to another; if that does not end, the audit repairs it within the hour."
        return Because(state="pending", reason="moving", in_words=words)
    before = await case.places.before(job, case.rank, most=COUNTED + 1)
    if before == 0:
        words = "Is due, and the next of its organization in its queue: it begins as soon as a worker has room."
        return Because(state="pending", reason="next", in_words=words, since=job.run_at)
    many = f"at least {COUNTED}" if before > COUNTED else f"{before}"
    one = " other job of its organization is" if before == 1 else " other jobs of its organization are"
    words = f"Waits its turn: {many}{one} before it in the queue {job.queue}."
    return Because(state="pending", reason="turn", in_words=words, since=job.run_at)
