"""Why a job cannot be steered."""

from singr_jobs.declare._errors import JobsError


class JobRunningError(JobsError):
    """A worker has the job in hand, or it waits for something else than its time or its turn."""
