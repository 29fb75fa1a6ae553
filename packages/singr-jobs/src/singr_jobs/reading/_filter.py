"""Which jobs are listed: what an index leads to, and what is asked of each job that is looked at."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, any_, func, select

from singr_db.tables import Job
from singr_jobs.declare._checks import check_choice, check_moments, check_reference, checked_labels
from singr_jobs.declare._job_types import check_name
from singr_jobs.declare._types import JobStatus, Queue
from singr_jobs.memory._job import MemoryJob


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that fit all of it; what is left out fits any.

    Attributes:
        labels: a job has all of them.
        created_after: inclusive.
        created_before: exclusive.
    """

    status: JobStatus | None = None
    type: str | None = None
    queue: str | None = None
    reference: str | None = None
    labels: Sequence[str] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None

    def checked(self) -> "JobFilter":
        """The same, of what there is; raises QueueError, and ValueError for a status, a type or a time that is none."""
        if self.type is not None:
            check_name(self.type)
        if self.reference is not None:
            check_reference(self.reference)
        check_moments(self, "created_after", "created_before")
        return msgspec.structs.replace(
            self,
            labels=checked_labels(self.labels) or (),
            status=None if self.status is None else check_choice("status", self.status, JobStatus),
            queue=None if self.queue is None else Queue(self.queue).value,
        )

    def led_to(self) -> list[ColumnElement[bool]]:
        """What an index has of those that are about this matter, have this status, or any labels."""
        if self.reference is not None:
            return [Job.reference == self.reference]
        if self.status is JobStatus.PROCESSING:
            running = select(func.running_jobs(None).table_valued("id").c.id).scalar_subquery()
            return [Job.id == any_(func.array(running))]
        # What failed has an error, and those that have one are in an index.
        if self.status is JobStatus.FAILED:
            return [Job.error.is_not(None)]
        return [Job.labels.is_not(None)] if self.labels else []

    def of_rows(self, job: Any) -> list[ColumnElement[bool]]:
        """What is asked of each row."""
        asked = self._stands(job)
        for column, value in ((job.type, self.type), (job.queue, self.queue)):
            if value is not None:
                asked.append(column == value)
        if self.labels:
            asked.append(job.labels.contains(list(self.labels)))
        if self.created_after is not None:
            asked.append(job.created_at >= self.created_after)
        if self.created_before is not None:
            asked.append(job.created_at < self.created_before)
        return asked

    def fits(self, job: MemoryJob) -> bool:
        """The same, of a job in memory."""
        for value, wanted in (
            *((job.status, self.status), (job.type, self.type), (job.queue, self.queue)),
            (job.reference, self.reference),
        ):
            if wanted is not None and value != wanted:
                return False
        if not set(self.labels) <= set(job.labels):
            return False
        if self.created_after is not None and job.created_at < self.created_after:
            return False
        return self.created_before is None or job.created_at < self.created_before

    def _stands(self, job: Any) -> list[ColumnElement[bool]]:
        if self.status is None:
            return []
        running = select(func.running_jobs(None).table_valued("id").c.id)
        if self.status is JobStatus.PROCESSING:
            return [job.status == JobStatus.PENDING, job.id.in_(running)]
        waits = [job.id.not_in(running)] if self.status is JobStatus.PENDING else []
        return [job.status == self.status, *waits]
