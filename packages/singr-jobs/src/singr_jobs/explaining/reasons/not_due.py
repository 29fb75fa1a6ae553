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
        bound = await _bound(case)
        if bound is not None:
            words = (
                f"Is not due until {told(job.run_at)}: it waits for others of its unique key, each of which takes its"
                f" place and is put off, {bound}."
            )
            return Because(state="scheduled", reason="debounced", in_words=words, since=job.created_at)
        words = f"Is not due until {told(job.run_at)}."
        return Because(state="scheduled", reason="not_due", in_words=words, since=job.created_at)
    tried = f"attempt {job.attempt + 1} of {job.max_attempts}"
    words = f"Is tried again at {told(job.run_at)} ({tried}), after {error.code}: {error.message}"
    return Because(
        state="scheduled", reason="retries_later", in_words=words, since=job.started_at, error_code=error.code
    )


async def _bound(case: Case) -> str | None:
    """How long what takes the job's place is put off, where something may."""
    job = case.job
    if job.unique_key is None:
        return None
    row = await case.places.put_off(job)
    if row is None:
        return None
    return "for as long as others come" if row.without_end else f"until {told(row.due_by)} at the latest"
