"""A worker has it: it runs, was taken ahead, or is on its way to another worker."""

from typing import Final

from singr_jobs.explaining._case import Because, Case, told

ORDER: Final = 20


async def why(case: Case) -> Because | None:
    """Who has it, since when, and what is known of its attempt."""
    job = case.job
    if case.ticket is None:
        return None
    since = told(case.begun_at)
    attempt = f"attempt {job.attempt + 1} of {job.max_attempts}"
    if case.ticket == "travelling":
        words = f"Is on its way from {case.worker} to another worker since {since}; it has not begun."
        return Because(state="dispatched", reason="travelling", in_words=words, since=case.begun_at)
    stop = " It was asked to stop." if job.cancel_requested else ""
    if job.replaced_by is not None:
        stop += f" The job {job.replaced_by} has taken over its unique key: it is not tried again."
    if case.ticket == "ahead":
        words = (
            f"Taken by {case.worker} at {since}, with more jobs than that has places for: it runs {attempt}, or begins"
            f" as soon as there is one.{stop}"
        )
        return Because(state="processing", reason="taken_ahead", in_words=words, since=case.begun_at)
    words = f"Runs on {case.worker} since {since}, {attempt}; it may take {job.timeout:g} s.{stop}"
    return Because(state="processing", reason="running", in_words=words, since=case.begun_at)
