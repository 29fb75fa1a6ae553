"""Attempts at jobs in memory, which end as they would at a worker."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from singr_jobs._plain import holds_nul
from singr_jobs.declare._context import JobContext, ReadsFlow
from singr_jobs.declare._job_types import Jobs
from singr_jobs.declare._types import JobStatus
from singr_jobs.declare._views import LogLine
from singr_jobs.memory._job import WORKER, MemoryJob
from singr_jobs.running._endings import Ended, cancelled, completed, failed
from singr_jobs.running.attempts._failures import Failures
from singr_jobs.running.attempts._logbook import line_of
from singr_jobs.running.attempts._threads import ThreadPool
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._options import WorkerOptions

# Seconds that a handler has for its cancellation once its time is up: more than a thread has for its last words.
_STUBBORN: Final = 5.0


class MemoryAttempts:
    """Runs one attempt of a job after the other.

    Args:
        jobs: the handlers.
        resources: what these ask for.
        now: the time.
    """

    def __init__(self, jobs: Jobs, resources: Mapping[type, Any], now: Callable[[], datetime]) -> None:
        self._jobs = jobs
        self._resources = resources
        self._now = now
        self._options = WorkerOptions()
        self._failures = Failures(self._options, now=lambda: now().timestamp())
        self._threads = ThreadPool()

    async def run(self, job: MemoryJob, reads: ReadsFlow | None) -> tuple[Ended, list[BaseException]]:
        """Run an attempt; answers how it ended, and what its handler raised.

        Whoever runs it may be cancelled: the attempt then counts as if it had not been.
        """
        before, job.started_at, job.worker = (job.started_at, job.worker), self._now(), WORKER
        job.attempt, job.status = job.attempt + 1, JobStatus.PROCESSING
        claimed, raised = _claimed(job), list[BaseException]()
        # A task of its own, as in a worker: a handler that cancels itself cancels nobody else.
        attempt = asyncio.create_task(self._attempt(job, claimed, raised, reads))
        job.stop = lambda: _interrupt(attempt, claimed, "cancelled")
        try:
            if not (await asyncio.wait([attempt], timeout=job.timeout))[0]:
                await _cut_off(attempt, claimed, "timed_out")
        except asyncio.CancelledError:
            (job.started_at, job.worker), job.attempt, job.status = before, job.attempt - 1, JobStatus.PENDING
            await _cut_off(attempt, claimed, "stopped")
            raise
        finally:
            job.stop = None
        return self._ended(attempt, claimed), raised

    def _ended(self, attempt: "asyncio.Task[Ended]", claimed: ClaimedJob) -> Ended:
        if attempt.done() and not attempt.cancelled():
            return attempt.result()
        if claimed.stop_reason is None:
            return failed(claimed, None, "cancelled_itself", "the handler raised CancelledError by itself")
        if claimed.stop_reason == "cancelled":
            return cancelled(claimed)
        words = f"the attempt took longer than {claimed.timeout:g} s"
        return failed(claimed, self._jobs.named(claimed.type), "timeout", words, outcome="timed_out")

    async def _attempt(
        self, job: MemoryJob, claimed: ClaimedJob, raised: list[BaseException], reads: ReadsFlow | None
    ) -> Ended:
        try:
            job_type = self._jobs.named(job.type)
            payload = job_type.decode(claimed.payload)
        except Exception as error:  # noqa: BLE001 - as at a worker: a struct may check itself
            return failed(claimed, None, "not_runnable", error)
        context = claimed.context = self._context(job, claimed, reads)
        try:
            if job_type.in_thread:
                result = await self._threads.run(job_type.handler, payload, context, who=f"job {job.type}")
            else:
                result = await job_type.handler(payload, context)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - as at a worker: the attempt ends, and nothing else
            if claimed.stop_reason is not None:
                raise asyncio.CancelledError from None
            raised.append(error)
            return self._failures.ended(claimed, job_type, error)
        self._failures.over(claimed)
        return completed(claimed, result, limit=self._options.result_bytes)

    def _context(self, job: MemoryJob, claimed: ClaimedJob, reads: ReadsFlow | None) -> JobContext:
        async def report(percent: int) -> None:
            job.progress = percent

        def note(message: str, fields: Mapping[str, object]) -> None:
            line = line_of(claimed, message, fields, self._now())
            if line is not None:
                kept = None if line.fields is None else msgspec.json.decode(line.fields)
                job.logs.append(LogLine(line.id, line.attempt, line.at, line.message, kept))

        return JobContext(
            job.id,
            job.organization_id,
            job.attempt,
            job.max_attempts,
            claimed.correlation_id,
            self._resources,
            report,
            reads,
            note=note,
        )


def stored(result: str | None) -> object:
    """A result as it comes back; raises what JSON or PostgreSQL refuse."""
    if result is None:
        return None
    if holds_nul(result.encode()):
        raise ValueError("holds a NUL character")
    return msgspec.json.decode(result)


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


def _interrupt(attempt: "asyncio.Task[Ended]", claimed: ClaimedJob, reason: str) -> None:
    """Once, as at a worker: the handler may be putting things in order because of the first."""
    if claimed.stop_reason is not None:
        return
    claimed.stop_reason = reason
    if claimed.context is not None and reason == "cancelled":
        claimed.context.cancel_requested = True
    attempt.cancel()


async def _cut_off(attempt: "asyncio.Task[Ended]", claimed: ClaimedJob, reason: str) -> None:
    _interrupt(attempt, claimed, reason)
    await asyncio.wait([attempt], timeout=_STUBBORN)
