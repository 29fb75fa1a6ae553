"""One attempt of a job: what its row holds becomes a call of its handler, and what came of that an outcome."""

import asyncio
import time

from singr_jobs.declare._job_types import Jobs
from singr_jobs.running._endings import Ended, completed, failed
from singr_jobs.running._line import Line
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.running.attempts._contexts import Contexts
from singr_jobs.running.attempts._failures import Failures
from singr_jobs.running.attempts._threads import Threads
from singr_jobs.taking._claimed import ClaimedJob
from singr_jobs.taking._options import WorkerOptions
from singr_observability import bind_correlation, continued_trace, correlation_id, new_correlation_id, tracing_active


class Attempts:
    """Calls handlers.

    Args:
        jobs: the types that are known here.
        options: of the worker.
        contexts: what handlers are given.
        threads: where handlers run that are plain functions.
        observer: told of each that begins.
    """

    def __init__(
        self, jobs: Jobs, options: WorkerOptions, *, contexts: Contexts, threads: Threads, observer: GuardedObserver
    ) -> None:
        self._jobs = jobs
        self._result_bytes = options.result_bytes
        self._contexts = contexts
        self._threads = threads
        self._observer = observer
        self._failures = Failures(options)

    async def make(self, line: Line, job: ClaimedJob) -> Ended:
        """Call the handler, in a task that is the job's own.

        Raises:
            asyncio.CancelledError: it was interrupted, or had been before it began; or it cancelled itself.
        """
        if job.stop_reason is not None:
            raise asyncio.CancelledError
        # The task and its context are the job's own: there is nothing to put back.
        correlation_id.set(job.correlation_id or new_correlation_id())
        bind_correlation(organization_id=job.organization_id, job_id=job.id)
        self._observer.started(line.queue, job.type, job.waited + time.monotonic() - job.taken_at)
        try:
            job_type = self._jobs.named(job.type)
            payload = job_type.decode(job.payload)
        except Exception as error:  # noqa: BLE001 - a struct may check itself, and raise what it likes
            return failed(job, None, "not_runnable", error)
        context = self._contexts.of(job)
        handler = self._threads.handler(job_type.handler, line, job) if job_type.in_thread else job_type.handler
        job.deadline = time.monotonic() + job.timeout
        try:
            if job.traceparent is not None or tracing_active():
                with continued_trace(f"job {job.type}", job.traceparent, queue=line.queue.value):
                    result = await handler(payload, context)
            else:
                result = await handler(payload, context)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - an exit or a group of anything ends the attempt, not the worker
            if job.stop_reason is not None:  # it was interrupted, and raised something of its own on its way out
                raise asyncio.CancelledError from None
            return self._failures.ended(job, job_type, error)
        self._failures.over(job)
        return completed(job, result, limit=self._result_bytes)
