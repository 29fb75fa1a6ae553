"""What may be read of jobs in memory, and cancelled: by an organization its own, by the platform all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from singr_db.pages import Page
from singr_jobs.declare._errors import JobEndedError, JobNotFoundError
from singr_jobs.declare._types import JobStatus
from singr_jobs.declare._views import JobDetail, JobView, LogLine, job_view
from singr_jobs.memory._job import MemoryJob
from singr_jobs.memory._pages import page_in_memory
from singr_jobs.memory._places import MemoryPlaces

if TYPE_CHECKING:
    from singr_jobs.bulk._memory import MemoryBulk
    from singr_jobs.dead._memory import MemoryLetters
    from singr_jobs.flows._memory import MemoryFlows


@dataclass
class MemoryReading:
    """Jobs and what became of them.

    Attributes:
        jobs: those that there are, by id.
        letters: of those that failed for good.
        flows: of which jobs are members.
        places: where they are.
        bulk: what is done to many of them.
        made_by: gives the schedule that made a job, if one did.
        now: the time.
    """

    jobs: Mapping[UUID, MemoryJob]
    letters: "MemoryLetters"
    flows: "MemoryFlows"
    places: MemoryPlaces
    bulk: "MemoryBulk"
    made_by: Callable[[UUID], UUID | None]
    now: Callable[[], datetime]

    def page(
        self,
        fits: Callable[[MemoryJob], bool],
        *,
        organization_id: UUID | None,
        limit: int,
        cursor: str | None,
        oldest_first: bool,
    ) -> Page[JobView]:
        """As `list_jobs`."""
        ours = (job for job in self.jobs.values() if organization_id in {None, job.organization_id} and fits(job))
        page = page_in_memory(ours, limit=limit, cursor=cursor, oldest_first=oldest_first)
        return Page(tuple(map(job_view, page.items)), page.next_cursor)

    def read(self, job_id: UUID, *, organization_id: UUID | None) -> JobDetail:
        """As `read_job`."""
        job = self.found(job_id, organization_id)
        earlier = self.letters.rounds_of(job_id)
        view = msgspec.structs.asdict(job_view(job))
        return JobDetail(
            **view, replaced_by=job.replaced_by, schedule_id=self.made_by(job_id), attempts=[*earlier, *job.history]
        )

    def cancel(self, job_id: UUID, *, organization_id: UUID | None) -> JobView:
        """As `cancel_job`."""
        job = self.found(job_id, organization_id)
        if job.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
            raise JobEndedError(job.status)
        job.cancel(self.now())
        return job_view(job)

    def logs(
        self, job_id: UUID, *, organization_id: UUID | None, limit: int, cursor: str | None, attempt: int | None
    ) -> Page[LogLine]:
        """As `list_job_logs`."""
        job = self.found(job_id, organization_id)
        lines = [line for line in job.logs if attempt in {None, line.attempt}]
        return page_in_memory(lines, limit=limit, cursor=cursor, oldest_first=True)

    def found(self, job_id: UUID, organization_id: UUID | None) -> MemoryJob:
        """The job; raises JobNotFoundError, also where it is another organization's."""
        job = self.jobs.get(job_id)
        if job is None or organization_id not in {None, job.organization_id}:
            raise JobNotFoundError(f"there is no job {job_id}")
        return job
