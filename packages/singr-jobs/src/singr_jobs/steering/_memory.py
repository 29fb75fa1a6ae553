"""Jobs in memory that are steered as those in the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from uuid import UUID

from singr_jobs.dead._errors import UniqueKeyHeldError
from singr_jobs.declare._errors import JobEndedError, JobNotFoundError
from singr_jobs.declare._types import JobStatus
from singr_jobs.declare._views import JobView, job_view
from singr_jobs.memory._job import MemoryJob
from singr_jobs.steering._errors import BUSY, JobRunningError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singr_jobs.dead._memory import MemoryLetters
    from singr_jobs.flows._memory import MemoryFlows
    from singr_jobs.memory._places import MemoryPlaces


@runtime_checkable
class KeepsJobs(Protocol):
    """Jobs in memory: an `InMemoryJobs`."""

    steering: "MemorySteering"


@dataclass
class MemorySteering:
    """Steers jobs in memory.

    Attributes:
        jobs: those that there are, by id.
        letters: of those that failed; they know the time, and who holds a key.
        flows: of which jobs are members.
        places: where they are.
    """

    jobs: "Mapping[UUID, MemoryJob]"
    letters: "MemoryLetters"
    flows: "MemoryFlows"
    places: "MemoryPlaces"

    def retry(self, job_id: UUID, *, organization_id: UUID) -> JobView:
        """As `retry_job`."""
        job = self._found(job_id, organization_id)
        if job.status is JobStatus.COMPLETED:
            raise JobEndedError(job.status)
        if job.status not in {JobStatus.FAILED, JobStatus.CANCELLED}:
            raise JobRunningError("the job has not ended")
        for letter in self.letters.all(organization_id=organization_id):
            if letter.job_id == job_id and letter.state == "open":
                self.letters.requeue(letter.id, organization_id=organization_id)
                return job_view(job)
        holder = self.letters.holder(job)
        if holder is not None:
            raise UniqueKeyHeldError(holder)
        self.flows.revive(job_id)
        job.begin_anew(self.letters.now())
        return job_view(job)

    def move(
        self,
        job_id: UUID,
        *,
        organization_id: UUID,
        priority: int | None = None,
        run_at: datetime | None = None,
        at_once: bool = False,
    ) -> JobView:
        """As `change_job`, or `run_job_now`."""
        job = self._found(job_id, organization_id)
        state, now = self.places.state(job), self.letters.now()
        if state is None:
            raise JobEndedError(job.status)
        moves = run_at is not None or (at_once and job.run_at > now)
        if state == "active" or (moves and state in {"dependent", "parked"}):
            raise JobRunningError(BUSY)
        job.priority = job.priority if priority is None else int(priority)
        if moves:
            job.run_at = now if run_at is None else max(run_at, now)
        return job_view(job)

    def _found(self, job_id: UUID, organization_id: UUID) -> MemoryJob:
        job = self.jobs.get(job_id)
        if job is None or organization_id != job.organization_id:
            raise JobNotFoundError(f"there is no job {job_id}")
        return job
