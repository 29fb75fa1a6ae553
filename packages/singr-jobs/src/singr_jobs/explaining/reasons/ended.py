"""It has ended."""

from typing import Final

from singr_jobs.declare._views import error_view
from singr_jobs.explaining._case import Because, Case, told

ORDER: Final = 10


async def why(case: Case) -> Because | None:
    """How, and when."""
    job = case.job
    if job.status == "pending":
        return None
    worker = f" by {job.worker}" if job.worker else ""
    when = told(job.finished_at)
    if job.status == "completed":
        words = f"Completed at {when}{worker}, in attempt {job.attempt} of {job.max_attempts}."
        return Because(state="completed", reason="completed", in_words=words, since=job.finished_at)
    if job.status == "cancelled" and job.replaced_by is not None:
        words = f"Cancelled at {when}: the job {job.replaced_by} has taken over its unique key, and takes its place."
        return Because(state="cancelled", reason="replaced", in_words=words, since=job.finished_at)
    if job.status == "cancelled":
        words = f"Cancelled at {when}, after {job.attempt} of {job.max_attempts} attempts."
        return Because(state="cancelled", reason="cancelled", in_words=words, since=job.finished_at)
    error = error_view(job.error)
    said = "" if error is None else f" {error.code}: {error.message}"
    words = f"Failed for good at {when}{worker}, in attempt {job.attempt} of {job.max_attempts}.{said}"
    code = None if error is None else error.code
    return Because(state="failed", reason="failed", in_words=words, since=job.finished_at, error_code=code)
