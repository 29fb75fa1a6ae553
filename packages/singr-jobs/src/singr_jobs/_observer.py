from uuid import UUID

from singr_jobs._types import Queue


class JobObserver:
    """Hooks called as things happen to jobs; every one does nothing here. Subclass what you need.

    Times are seconds. The calls are on the hot path: return at once, never raise.
    """

    def started(self, queue: Queue, job_type: str, waited: float) -> None:
        """A handler is about to run, ``waited`` seconds after the job was due."""

    def completed(self, queue: Queue, job_type: str, job_id: UUID, attempt: int, seconds: float) -> None:
        """A handler returned."""

    def failed(
        self, queue: Queue, job_type: str, job_id: UUID, attempt: int, seconds: float, *, outcome: str, code: str
    ) -> None:
        """An attempt failed; ``outcome`` is retried, failed, timed_out or cancelled."""

    def stalled(self, queue: Queue, job_type: str, job_id: UUID, attempt: int, status: str) -> None:
        """A job's worker fell silent; ``status`` is where the job went: pending or failed."""

    def swept(self, lag: float) -> None:
        """A sweep ended, ``lag`` seconds after it was due."""

    def depths(self, counts: dict[tuple[str, str], int]) -> None:
        """How many jobs each (queue, state) holds now."""
