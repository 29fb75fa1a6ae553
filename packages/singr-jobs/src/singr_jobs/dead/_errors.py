"""Why a dead letter cannot be settled."""

from uuid import UUID

from singr_jobs.declare._errors import JobsError


class DeadLetterNotFoundError(JobsError):
    """There is no such dead letter in this organization."""


class DeadLetterSettledError(JobsError):
    """Somebody has settled it before, or its time is over.

    Attributes:
        state: what became of it: `requeued`, `discarded` or `expired`.
    """

    def __init__(self, state: str) -> None:
        super().__init__(f"the dead letter is {state} already")
        self.state = state


class UniqueKeyHeldError(JobsError):
    """Another job holds the unique key that this one would need: it has not ended, or holds it for a time.

    Attributes:
        job_id: the job that holds it.
    """

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"its unique key is held by the job {job_id}")
        self.job_id = job_id
