"""Jobs in memory, for tests of code that enqueues and of handlers: no database, no Redis, no waiting.

memory = InMemoryJobs(jobs, resources={Mailer: mailer})
await enqueue(memory, SendEmail(...), organization_id=organization_id)
assert memory.enqueued(SendEmail) == [SendEmail(...)]
await memory.run_due()
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from singr_config.clock import clock
from singr_jobs.declare._context import JobContext
from singr_jobs.declare._errors import PermanentError, RetryLater
from singr_jobs.declare._job_types import Jobs
from singr_jobs.declare._types import Exponential, JobStatus, Queue
from singr_jobs.running._threads import ThreadPool

__all__ = ["InMemoryJobs", "MemoryJob"]

J = TypeVar("J", bound=msgspec.Struct)


@dataclass(slots=True)
class MemoryJob:
    """One job in memory, as far as it has come."""

    id: UUID
    organization_id: UUID
    type: str
    job: msgspec.Struct
    queue: str
    priority: int
    run_at: datetime
    max_attempts: int
    timeout: float
    unique_key: str | None
    status: JobStatus = JobStatus.PENDING
    attempt: int = 0
    progress: int = 0
    result: object = None
    errors: list[str] = field(default_factory=list)


class InMemoryJobs:
    """Stands in for a database session in `enqueue`, and runs what was enqueued when told to.

    It runs the jobs of all queues, or of those that it is given, and keeps a worker's rules: attempts, backoff,
    permanent errors, timeouts, unique keys, priority and due time, and threads for handlers that are plain functions.
    Time is the test's own: `now` stands still until `advance`.
    """

    def __init__(
        self,
        jobs: Jobs,
        *,
        resources: Mapping[type, Any] | None = None,
        now: datetime | None = None,
        queues: Iterable[Queue] | None = None,
    ) -> None:
        self._jobs = jobs
        self._resources = dict(resources or {})
        self._queues = None if queues is None else frozenset(map(Queue, queues))
        self._threads = ThreadPool()
        self._all: dict[UUID, MemoryJob] = {}
        self.now = now or clock.now()

    async def add_job(self, row: dict[str, Any]) -> UUID:
        """Take a job from `enqueue`; the same id, or a unique key that is held, adds nothing."""
        if row["id"] in self._all:
            return UUID(str(row["id"]))
        for other in self._all.values():
            same = (other.organization_id, other.type, other.unique_key)
            held = other.status in {JobStatus.PENDING, JobStatus.PROCESSING}
            if row["unique_key"] and held and same == (row["organization_id"], row["type"], row["unique_key"]):
                return other.id
        due = row["run_at"] or self.now
        self._all[row["id"]] = MemoryJob(
            id=row["id"],
            organization_id=row["organization_id"],
            type=row["type"],
            job=self._jobs.named(row["type"]).decode(row["payload"]),
            queue=row["queue"],
            priority=row["priority"],
            run_at=due,
            max_attempts=row["max_attempts"],
            timeout=row["timeout"],
            unique_key=row["unique_key"],
        )
        return UUID(str(row["id"]))

    @property
    def all(self) -> list[MemoryJob]:
        """Every job, oldest first."""
        return list(self._all.values())

    def enqueued(self, struct: type[J]) -> list[J]:
        """The jobs of one type that were enqueued, oldest first."""
        return [entry.job for entry in self._all.values() if isinstance(entry.job, struct)]

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    async def run_due(self) -> list[MemoryJob]:
        """Run one attempt of each job that is due, the most urgent first; returns those that ran."""
        due = [job for job in self._served() if job.run_at <= self.now]
        due.sort(key=lambda job: (job.priority, job.run_at, job.id))
        for job in due:
            await self._run(job)
        return due

    async def run_until_done(self) -> list[MemoryJob]:
        """Run everything, retries included, moving time forward as needed; returns all jobs."""
        while pending := [job.run_at for job in self._served()]:
            self.now = max(self.now, min(pending))
            await self.run_due()
        return self.all

    def _served(self) -> list[MemoryJob]:
        """What is pending in a queue that is served."""
        waiting = (job for job in self._all.values() if job.status is JobStatus.PENDING)
        return [job for job in waiting if self._queues is None or job.queue in self._queues]

    async def _run(self, job: MemoryJob) -> None:
        job.attempt += 1
        job.status = JobStatus.PROCESSING
        declared = self._jobs.named(job.type)

        async def report(percent: int) -> None:
            job.progress = percent

        context = JobContext(job.id, job.organization_id, job.attempt, job.max_attempts, None, self._resources, report)
        try:
            async with asyncio.timeout(job.timeout):
                if declared.in_thread:
                    job.result = await self._threads.run(declared.handler, job.job, context, who=f"job {job.type}")
                else:
                    job.result = await declared.handler(job.job, context)
        except PermanentError as error:
            job.errors.append(str(error))
            job.status = JobStatus.FAILED
        except Exception as error:  # noqa: BLE001 - a handler may raise anything; a worker would catch it too
            job.errors.append(str(error) or type(error).__name__)
            after = error.after if isinstance(error, RetryLater) else 0.0
            if isinstance(error, RetryLater) and not error.counts:
                job.attempt -= 1
                job.status, job.run_at = JobStatus.PENDING, self.now + timedelta(seconds=max(0.0, after))
                return
            self._retry(job, declared.backoff, after)
        else:
            job.status, job.progress = JobStatus.COMPLETED, 100

    def _retry(self, job: MemoryJob, backoff: Exponential, after: float) -> None:
        if job.attempt >= job.max_attempts:
            job.status = JobStatus.FAILED
            return
        job.status = JobStatus.PENDING
        job.run_at = self.now + timedelta(seconds=max(after, backoff.delay(job.attempt)))
