"""Its time has not come: it was asked for later, or an attempt failed and the next one waits."""

from typing import Final

from singr_jobs.declare._views import error_view
from singr_jobs.explaining._case import Because, Case, told

ORDER: Final = 30


async def why(case: Case) -> Because | None:
    """When it is due, and what it waits for."""
    job = case.job
    if not case.is_later:
        return None
    if job.run_at <= case.now:
        words = f"Became due at {told(job.run_at)}; a worker of its queue moves it to what is due within a second."
        return Because(state="scheduled", reason="becomes_due", in_words=words, since=job.created_at)
    error = error_view(job.error)
    if error is None:
        words = f"Is not due until {told(job.run_at)}."
        return Because(state="scheduled", reason="not_due", in_words=words, since=job.created_at)
    tried = f"attempt {job.attempt + 1} of {job.max_attempts}"
    words = f"Is tried again at {told(job.run_at)} ({tried}), after {error.code}: {error.message}"
    return Because(state="scheduled", reason="retries_later", in_words=words, since=job.started_at)
