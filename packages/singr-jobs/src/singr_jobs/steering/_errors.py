"""Why a job cannot be steered."""

from typing import Final

from singr_jobs.declare._errors import JobsError

CANCELLED_WITH_ITS_FLOW: Final = ": none of its jobs is tried again; enqueue what is still to be done anew"

BUSY: Final = "a worker has the job in hand, or it waits for something else than its time or its turn"


class JobRunningError(JobsError):
    """A worker has the job in hand, or it waits for something else than its time or its turn."""
