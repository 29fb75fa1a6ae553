"""Jobs in memory, for tests of code that enqueues and of handlers: no database, no Redis, no waiting.

memory = InMemoryJobs(jobs, resources={Mailer: mailer})
await enqueue(memory, SendEmail(...), organization_id=organization_id)
assert memory.enqueued(SendEmail) == [SendEmail(...)]
await memory.run_due()

Needs the extra `singr-jobs[worker]`.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from singr_jobs._plain import holds_nul, shown
from singr_jobs.declare._context import JobContext
from singr_jobs.declare._errors import PermanentError, QueueError, RetryLater
from singr_jobs.declare._job_types import Jobs
from singr_jobs.declare._types import JobStatus, Queue
from singr_jobs.declare._views import JobError, LogLine, error_view
from singr_jobs.flows._flow import Flow

try:
    from singr_config.clock import clock
    from singr_jobs.dead._memory import MemoryLetters
    from singr_jobs.flows._memory import MemoryFlows
    from singr_jobs.keys._memory import MemoryKeys
    from singr_jobs.queues._memory import MemoryQueues
    from singr_jobs.running._endings import Ended, completed, failed, unwritable
    from singr_jobs.running._failures import Failures
    from singr_jobs.running._logbook import line_of
    from singr_jobs.running._threads import ThreadPool
    from singr_jobs.schedules._memory import MemorySchedules
    from singr_jobs.steering._memory import MemorySteering
    from singr_jobs.taking._claimed import ClaimedJob
    from singr_jobs.taking._options import WorkerOptions
except ImportError as error:
    raise ImportError(
        f"singr_jobs.testing needs {error.name}: pip install 'singr-jobs[worker]'", name=error.name
    ) from error

__all__ = ["InMemoryJobs", "MemoryJob"]

J = TypeVar("J", bound=msgspec.Struct)

# Seconds that a handler has for its cancellation once its time is up: more than a thread has for its last words.
_STUBBORN = 5.0


@dataclass(slots=True)
class MemoryJob:
    """One job in memory, as far as it has come.

    Attributes:
        job: what was enqueued, as a worker decodes it; None where it cannot.
        result: what the handler returned, as JSON gives it back.
        error: why its last attempt failed, as `read_job` tells it; None where that succeeded.
        errors: what was wrong with each attempt that did not succeed, in words.
        logs: the lines that its handler wrote (`ctx.log`), of all attempts.
    """

    id: UUID
    organization_id: UUID
    type: str
    job: msgspec.Struct | None
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
    error: JobError | None = None
    logs: list[LogLine] = field(default_factory=list)
    row: dict[str, Any] = field(default_factory=dict, repr=False)
    outage: str | None = field(default=None, repr=False)


class InMemoryJobs:
    """Stands in for a database session in `enqueue`, and runs what was enqueued when told to.

    It runs the jobs of all queues, or of those that it is given, and keeps a worker's rules: attempts, backoff,
    permanent errors, outages, timeouts, results that can be stored, unique keys, limits by key, priority and due
    time, and threads for handlers that are plain functions. Whatever a handler raises ends its attempt, and nothing
    else. Time is the test's own: `now` stands still until `advance`. What is scheduled is met by `run_due`, as by a
    worker that was away until then. What fails for good leaves a dead letter.

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
    ) -> None:
        self._jobs = jobs
        self._resources = dict(resources or {})
        self._queues = None if queues is None else _served(queues)
        self._options = WorkerOptions()
        self._failures = Failures(self._options, now=self._seconds)
        self._threads = ThreadPool()
        self._all: dict[UUID, MemoryJob] = {}
        self.now = now or clock.now()
        self.schedules = MemorySchedules(lambda: self.now)
        self.letters = MemoryLetters(lambda: self.now, self._all.__getitem__, self._holder)
        self.queues = MemoryQueues(lambda: self.now)
        self._keys = MemoryKeys(jobs, lambda: self.now)
        self.flows = MemoryFlows(lambda: self.now, self._all, self.letters.is_given_up)
        self.steering = MemorySteering(self._all, self.letters, self.flows)

    async def add_job(self, row: dict[str, Any]) -> UUID:
        """Take a job from `enqueue`; the same id, or a unique key that is held, adds nothing."""
        if row["id"] in self._all:
            return UUID(str(row["id"]))
        entry = MemoryJob(
            id=row["id"],
            organization_id=row["organization_id"],
            type=row["type"],
            job=self._decoded(row),
            queue=row["queue"],
            priority=row["priority"],
            run_at=row["run_at"] or self.now,
            max_attempts=row["max_attempts"],
            timeout=row["timeout"],
            unique_key=row["unique_key"],
            row=row,
        )
        holder = self._holder(entry)
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
            self.flows.add(flow, members)
        return flow.id

    def _holder(self, job: MemoryJob) -> UUID | None:
        """The unfinished job that holds the unique key of this one."""
        key = (job.organization_id, job.type, job.unique_key)
        for other in self._all.values() if job.unique_key else ():
            if key == (other.organization_id, other.type, other.unique_key) and self._is_unfinished(other.id):
                return other.id
        return None

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
        await self._fire()
        due = [job for job in self._served() if job.run_at <= self.now]
        due.sort(key=lambda job: (job.priority, job.run_at, job.id))
        ran = []
        for job in due:
            # What ran before it in this round may have cancelled, moved or paused it.
            if not self._waits_for_nothing(job) or max(job.run_at, self._may_start_at(job)) > self.now:
                continue
            self._keys.started(job.row)
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
        while pending := [max(job.run_at, self._may_start_at(job)) for job in self._served()]:
            self.now = max(self.now, min(pending))
            await self.run_due()
        return self.all

    def _may_start_at(self, job: MemoryJob) -> datetime:
        queue = self.queues.may_start_at(job.queue, job.organization_id)
        return max(queue, self._keys.may_start_at(job.row))

    async def _fire(self) -> None:
        for fire in self.schedules.fire(self._is_unfinished, self._cancel, self._has_failed):
            await self.add_job({**msgspec.structs.asdict(fire), "payload": bytes(fire.payload).decode()})

    def _is_unfinished(self, job_id: UUID) -> bool:
        job = self._all.get(job_id)
        return job is not None and job.status in {JobStatus.PENDING, JobStatus.PROCESSING}

    def _has_failed(self, job_id: UUID) -> bool:
        job = self._all.get(job_id)
        return job is not None and job.status is JobStatus.FAILED

    def _cancel(self, job_id: UUID) -> None:
        self._all[job_id].status = JobStatus.CANCELLED

    def _seconds(self) -> float:
        return self.now.timestamp()

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
        """Whether it is pending, waits for no member of its flow, and its queue is not paused."""
        is_free = job.status is JobStatus.PENDING and not self.flows.waits(job.id)
        return is_free and not self.queues.is_paused(job.queue, job.organization_id)

    async def _run(self, job: MemoryJob) -> None:
        job.attempt += 1
        job.status = JobStatus.PROCESSING
        claimed, raised = _claimed(job), list[BaseException]()
        # A task of its own, as in a worker: a handler that cancels itself cancels nobody else.
        attempt = asyncio.create_task(self._attempt(job, claimed, raised))
        try:
            if not (await asyncio.wait([attempt], timeout=job.timeout))[0]:
                await _cut_off(attempt, claimed, "timed_out")
        except asyncio.CancelledError:  # whoever runs the jobs is cancelled: the attempt counts as if it had not been
            job.attempt, job.status = job.attempt - 1, JobStatus.PENDING
            await _cut_off(attempt, claimed, "stopped")
            raise
        if attempt.done() and not attempt.cancelled():
            ended = attempt.result()
        elif claimed.stop_reason is None:
            ended = failed(claimed, None, "cancelled_itself", "the handler raised CancelledError by itself")
        else:
            words = f"the attempt took longer than {job.timeout:g} s"
            ended = failed(claimed, self._jobs.named(job.type), "timeout", words, outcome="timed_out")
        self._ended(job, ended, raised)

    async def _attempt(self, job: MemoryJob, claimed: ClaimedJob, raised: list[BaseException]) -> Ended:
        async def report(percent: int) -> None:
            job.progress = percent

        def note(message: str, fields: Mapping[str, object]) -> None:
            line = line_of(claimed, message, fields, self.now)
            if line is not None:
                kept = None if line.fields is None else msgspec.json.decode(line.fields)
                job.logs.append(LogLine(line.id, line.attempt, line.at, line.message, kept))

        try:
            job_type = self._jobs.named(job.type)
            payload = job_type.decode(claimed.payload)
        except Exception as error:  # noqa: BLE001 - as above
            return failed(claimed, None, "not_runnable", error)
        context = JobContext(
            job.id,
            job.organization_id,
            job.attempt,
            job.max_attempts,
            claimed.correlation_id,
            self._resources,
            report,
            self.flows.reads(job.id),
            note=note,
        )
        try:
            if job_type.in_thread:
                result = await self._threads.run(job_type.handler, payload, context, who=f"job {job.type}")
            else:
                result = await job_type.handler(payload, context)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - as in a worker: the attempt ends, and nothing else
            if claimed.stop_reason is not None:
                raise asyncio.CancelledError from None
            raised.append(error)
            return self._failures.ended(claimed, job_type, error)
        self._failures.over(claimed)
        return completed(claimed, result, limit=self._options.result_bytes)

    def _ended(self, job: MemoryJob, ended: Ended, raised: list[BaseException]) -> None:
        if ended.status == "completed":
            try:
                job.result = _stored(ended.result)
            except Exception:  # noqa: BLE001 - what PostgreSQL would not take either
                ended = unwritable(ended)
            else:
                job.status, job.progress, job.error, job.outage = JobStatus.COMPLETED, 100, None, None
                return
        error = msgspec.json.decode(ended.error)
        job.error = error_view(error)
        job.outage = msgspec.json.encode(error["outage"]).decode() if "outage" in error else None
        coded = any(isinstance(one, PermanentError | RetryLater) for one in raised)
        job.errors.append(f"{error['code']}: {error['message']}" if coded else error["message"] or error["code"])
        job.status, job.progress = JobStatus(ended.status), 0
        if job.status is JobStatus.PENDING:
            job.attempt -= ended.outcome == "held"
            job.run_at = self.now + timedelta(seconds=ended.delay)
            if ended.holds_key:
                self._keys.hold(job.row, ended.delay)
        elif job.status is JobStatus.FAILED:
            self.letters.mourn(job)


def _served(queues: object) -> frozenset[Queue]:
    if isinstance(queues, str) or not isinstance(queues, Iterable):
        raise QueueError(f"queues must be several queues, such as {{Queue.EMAIL}}, not {shown(queues)}")
    return frozenset(map(Queue, queues))


def _claimed(job: MemoryJob) -> ClaimedJob:
    """The job as a worker has it in hand."""
    return ClaimedJob(
        id=job.id,
        organization_id=job.organization_id,
        type=job.type,
        payload=job.row["payload"],
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        backoff=job.row["backoff"],
        timeout=job.timeout,
        followed=False,
        correlation_id=job.row["correlation_id"],
        traceparent=job.row["traceparent"],
        outage=job.outage,
        cancel_requested=False,
        waited=0.0,
    )


async def _cut_off(attempt: "asyncio.Task[Ended]", claimed: ClaimedJob, reason: str) -> None:
    claimed.stop_reason = reason
    attempt.cancel()
    await asyncio.wait([attempt], timeout=_STUBBORN)


def _stored(result: str | None) -> object:
    """A result as it comes back; raises what JSON or PostgreSQL refuse."""
    if result is None:
        return None
    if holds_nul(result.encode()):
        raise ValueError("holds a NUL character")
    return msgspec.json.decode(result)
