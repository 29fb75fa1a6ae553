"""Jobs in memory, for tests of code that enqueues and of handlers: no database, no Redis, no waiting.

memory = InMemoryJobs(jobs, resources={Mailer: mailer})
await enqueue(memory, SendEmail(...), organization_id=organization_id)
assert memory.enqueued(SendEmail) == [SendEmail(...)]
await memory.run_due()

Needs the extra `singr-jobs[worker]`.
"""

import math
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from singr_jobs._plain import shown
from singr_jobs.declare._errors import PermanentError, QueueError, RetryLater
from singr_jobs.declare._job_types import Jobs
from singr_jobs.declare._types import JobStatus, Queue
from singr_jobs.declare._views import AttemptView, error_view
from singr_jobs.flows._flow import Flow

try:
    from singr_config.clock import clock
    from singr_jobs.bulk._memory import MemoryBulk
    from singr_jobs.dead._memory import MemoryLetters
    from singr_jobs.flows._memory import MemoryFlows
    from singr_jobs.intake._enqueue import id_in_use
    from singr_jobs.intake.unique._memory import MemoryUniqueKeys
    from singr_jobs.keys._memory import MemoryKeys
    from singr_jobs.memory._attempts import MemoryAttempts, stored
    from singr_jobs.memory._job import MemoryJob
    from singr_jobs.memory._places import MemoryPlaces
    from singr_jobs.memory._reading import MemoryReading
    from singr_jobs.memory._sessions import MemoryTenant
    from singr_jobs.queues._memory import MemoryQueues
    from singr_jobs.queues._memory_standing import MemoryStanding
    from singr_jobs.running._endings import Ended, unwritable
    from singr_jobs.schedules._memory import MemorySchedules
    from singr_jobs.steering._memory import MemorySteering
except ImportError as error:
    raise ImportError(
        f"singr_jobs.testing needs {error.name}: pip install 'singr-jobs[worker]'", name=error.name
    ) from error

__all__ = ["InMemoryJobs", "MemoryJob", "MemoryTenant"]

J = TypeVar("J", bound=msgspec.Struct)


class InMemoryJobs:
    """Stands in for a database session in `enqueue`, and runs what was enqueued when told to.

    It runs the jobs of all queues, or of those that it is given, and keeps a worker's rules: attempts, backoff,
    permanent errors, outages, timeouts, results that can be stored, unique keys, limits by key, priority and due
    time, and threads for handlers that are plain functions. Whatever a handler raises ends its attempt, and nothing
    else. Time is the test's own: `now` stands still until `advance`. What is scheduled is met by `run_due`, as by a
    worker that was away until then. What fails for good leaves a dead letter.

    `organizations` are those that there are, for those who set something for one, or schedule; unless told, any id is.

    Attributes:
        flows: what flows there are; see them with `read_flow(memory, …)` and `list_flows(memory, …)`.
        letters: what failed for good; settle it with `requeue(memory, …)` and `discard(memory, …)`.
        schedules: what is scheduled; see it with `list_schedules(memory, …)` and `list_fires(memory, …)`.
        steering: what `retry_job(memory, …)`, `run_job_now` and `change_job` go by.
        queues: what is set for queues; change it with `pause_queue(memory, …)` and `set_queue(memory, …)`.
    """

    def __init__(
        self,
        jobs: Jobs,
        *,
        resources: Mapping[type, Any] | None = None,
        now: datetime | None = None,
        queues: Iterable[Queue] | None = None,
        organizations: Iterable[UUID] | None = None,
    ) -> None:
        self._jobs = jobs
        known = None if organizations is None else _known(organizations)
        self._queues = None if queues is None else _served(queues)
        self._attempts = MemoryAttempts(jobs, dict(resources or {}), lambda: self.now)
        self._all: dict[UUID, MemoryJob] = {}
        self.now = now or clock.now()

        def exists(organization_id: UUID) -> bool:
            return known is None or organization_id in known

        self.schedules = MemorySchedules(lambda: self.now, exists)
        self._keys_held = MemoryUniqueKeys(lambda: self.now, self._all)
        self.letters = MemoryLetters(lambda: self.now, self._all.__getitem__, self._keys_held.hold)
        self.queues = MemoryQueues(lambda: self.now, exists)
        self.keys = MemoryKeys(jobs, lambda: self.now, self._all)
        self.flows = MemoryFlows(lambda: self.now, self._all, self.letters.is_given_up)
        self.letters.again = self.flows.again
        places = MemoryPlaces(
            self._all, jobs, self._queues, self.queues, self.flows, self.keys, self._keys_held, lambda: self.now
        )
        self.steering = MemorySteering(self._all, self.letters, self.flows, places)
        self.bulk = MemoryBulk(self._all, self.letters, lambda: self.now)
        self.reading = MemoryReading(
            self._all, self.letters, self.flows, places, self.bulk, self.schedules.that_made, lambda: self.now
        )
        self.standing = MemoryStanding(places)
        self.organization_id: UUID | None = None

    @asynccontextmanager
    async def tenant(self, organization_id: UUID) -> AsyncIterator[MemoryTenant]:
        """One organization's session, in place of `Database.tenant`: it sees that organization's jobs alone."""
        yield MemoryTenant(self, organization_id)

    @asynccontextmanager
    async def platform(self) -> AsyncIterator["InMemoryJobs"]:
        """The platform's session, in place of `Database.platform`: this object itself, which sees all."""
        yield self

    def __getattr__(self, name: str) -> Any:
        """Say of what a database's session has, too, why it is not here."""
        raise AttributeError(
            f"jobs in memory have no {name}: what is called here needs a database", name=name, obj=self
        )

    async def add_job(self, row: dict[str, Any]) -> UUID:
        """Take a job from `enqueue`; the same id, or a unique key that is held, adds nothing."""
        entry = MemoryJob(
            id=row["id"],
            organization_id=row["organization_id"],
            type=row["type"],
            job=self._decoded(row),
            queue=row["queue"],
            priority=row["priority"],
            run_at=max(row["run_at"] or self.now, self.now),
            created_at=self.now,
            max_attempts=row["max_attempts"],
            timeout=row["timeout"],
            unique_key=row["unique_key"],
            row=row,
        )
        holding = row.pop("holding", None)
        known = self._all.get(entry.id)
        if known is not None:
            holder = self._keys_held.kept_out_by(entry, holding)
            if holder is None and (known.organization_id, known.type) != (entry.organization_id, entry.type):
                raise id_in_use("job_id", entry.id)
            return UUID(str(holder or entry.id))
        holder = self._keys_held.hold(entry, holding)
        if holder is not None:
            return holder
        self._all[row["id"]] = entry
        return UUID(str(row["id"]))

    async def add_flow(self, flow: Flow, rows: list[dict[str, Any]], *, organization_id: UUID) -> UUID:
        """Take a flow from `enqueue`, or more members of one; raises as `enqueue` does."""
        members = self.flows.begin(flow, organization_id=organization_id)
        if members is not None:
            new = {planned.id for planned in members}
            for row in rows:
                if row["id"] in new:
                    await self.add_job(row)
                    self._all[row["id"]].flow_id = flow.id
            self.flows.add(flow, members)
        return flow.id

    @property
    def all(self) -> list[MemoryJob]:
        """Every job, oldest first."""
        return list(self._all.values())

    def enqueued(self, struct: type[J]) -> list[J]:
        """The jobs of one type that were enqueued, oldest first."""
        return [entry.job for entry in self._all.values() if isinstance(entry.job, struct)]

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: it is no number of seconds, such as NaN.
        """
        if not math.isfinite(seconds):
            raise ValueError(f"time passes in a number of seconds, not {seconds}")
        self.now += timedelta(seconds=seconds)

    async def run_due(self) -> list[MemoryJob]:
        """Run one attempt of each job that is due, the most urgent first; returns those that ran."""
        await self._fire()
        self.bulk.work()
        due = [job for job in self._served() if job.run_at <= self.now]
        due.sort(key=lambda job: (job.priority, job.run_at, job.id))
        ran = []
        for job in due:
            # What ran before it in this round may have cancelled, moved or paused it.
            if not self._waits_for_nothing(job) or max(job.run_at, self._may_start_at(job)) > self.now:
                continue
            self.keys.started(job)
            self.queues.started(job.queue, job.organization_id)
            await self._run(job)
            ran.append(job)
        return ran

    async def run_until_done(self) -> list[MemoryJob]:
        """Run everything, retries included, moving time forward as needed; returns all jobs.

        A handler that asks to be run later for ever (`RetryLater(counts=False)`) is run for ever. Time moves for jobs
        alone, not for schedules.
        """
        await self._fire()
        while pending := [*self._due_times()]:
            self.now = max(self.now, min(pending))
            await self.run_due()
        return self.all

    def _due_times(self) -> Iterator[datetime]:
        """When jobs may start, and bulk actions have their next turn."""
        if (turn := self.bulk.next_at()) is not None:
            yield turn
        yield from (max(job.run_at, self._may_start_at(job)) for job in self._served())

    def _may_start_at(self, job: MemoryJob) -> datetime:
        queue = self.queues.may_start_at(job.queue, job.organization_id)
        return max(queue, self.keys.may_start_at(job))

    async def _fire(self) -> None:
        for fire in self.schedules.fire(self._is_unfinished, self._cancel, self._has_failed):
            await self.add_job({**msgspec.structs.asdict(fire), "payload": bytes(fire.payload).decode()})

    def _is_unfinished(self, job_id: UUID) -> bool:
        job = self._all.get(job_id)
        return job is not None and job.is_unfinished

    def _has_failed(self, job_id: UUID) -> bool:
        job = self._all.get(job_id)
        return job is not None and job.status is JobStatus.FAILED

    def _cancel(self, job_id: UUID) -> None:
        self._all[job_id].cancel(self.now)

    def _decoded(self, row: dict[str, Any]) -> msgspec.Struct | None:
        job_type = self._jobs.named(row["type"])
        try:
            return job_type.decode(row["payload"])
        except Exception:  # noqa: BLE001 - as a worker: a struct may check itself, and its job fails when it runs
            return None

    def _served(self) -> list[MemoryJob]:
        """What is pending in a queue that is served and not paused, of a type whose handler is here."""
        self.flows.go_on()
        runnable = set(self._jobs.runnable())
        waiting = (job for job in self._all.values() if self._waits_for_nothing(job) and job.type in runnable)
        return [job for job in waiting if self._queues is None or job.queue in self._queues]

    def _waits_for_nothing(self, job: MemoryJob) -> bool:
        """Whether it is pending, waits for no member of its flow, its key is not full, and its queue not paused."""
        is_free = job.status is JobStatus.PENDING and not self.flows.waits(job.id) and not self.keys.is_full(job)
        return is_free and not self.queues.is_paused(job.queue, job.organization_id)

    async def _run(self, job: MemoryJob) -> None:
        self.standing.started(job)
        ended, raised = await self._attempts.run(job, self.flows.reads(job.id))
        if ended.status == "completed":
            try:
                job.result = stored(ended.result)
            except Exception:  # noqa: BLE001 - what PostgreSQL would not take either
                ended = unwritable(ended)
            else:
                self.standing.ended(job, ended.status, ended.outcome)
                job.progress, job.error, job.outage = 100, None, None
                job.end(JobStatus.COMPLETED, self.now)
                return
        self._failed(job, ended, raised)

    def _failed(self, job: MemoryJob, ended: Ended, raised: list[BaseException]) -> None:
        self.standing.ended(job, ended.status, ended.outcome)
        error = msgspec.json.decode(ended.error)
        job.error = error_view(error)
        met = error.get("outage") or error.get("over_time")
        job.outage = msgspec.json.encode(met).decode() if met else None
        coded = any(isinstance(one, PermanentError | RetryLater) for one in raised)
        job.errors.append(f"{error['code']}: {error['message']}" if coded else error["message"] or error["code"])
        if ended.outcome == "held":
            job.attempt -= 1
        else:
            job.history.append(
                AttemptView(job.attempt, ended.outcome, job.error, job.worker, job.started_at, self.now)  # type: ignore[arg-type] # one of those
            )
        job.progress = 0
        if ended.status == JobStatus.PENDING and job.replaced_by is not None:
            job.end(JobStatus.CANCELLED, self.now)
            return
        if ended.status == JobStatus.PENDING:
            job.status, job.run_at = JobStatus.PENDING, self.now + timedelta(seconds=ended.delay)
            if ended.holds_key:
                self.keys.hold(job, ended.delay)
            return
        job.end(JobStatus(ended.status), self.now)
        if job.status is JobStatus.FAILED:
            self.letters.mourn(job)


def _known(organizations: object) -> frozenset[UUID]:
    if isinstance(organizations, str) or not isinstance(organizations, Iterable):
        raise TypeError(f"organizations must be several ids, such as [organization_id], not {shown(organizations)}")
    return frozenset(organizations)


def _served(queues: object) -> frozenset[Queue]:
    if isinstance(queues, str) or not isinstance(queues, Iterable):
        raise QueueError(f"queues must be several queues, such as {{Queue.EMAIL}}, not {shown(queues)}")
    return frozenset(map(Queue, queues))
