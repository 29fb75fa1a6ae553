"""Log lines and metrics about jobs."""

from functools import cache, partial
from typing import Any
from uuid import UUID

from singr_jobs.declare._types import Queue
from singr_jobs.running._observer import JobObserver
from singr_observability import Metrics, declare_event, emit_event

_MODULE = "jobs"
# Said for each job, and so declared beforehand: a microsecond instead of ten.
_completed = declare_event("info", _MODULE, "job completed", ("job_id", "type", "attempt", "duration_ms"))


def _series(family: Any, queue: Queue, job_type: str, **named: str) -> Any:
    return family.labels(queue=queue.value, type=job_type, **named)


class JobTelemetry(JobObserver):
    """Counts and logs what happens to jobs, as it happens."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        for queue in Queue:  # there from the start, at 0, so that the first one that stalls is seen as an increase
            metrics.jobs_stalled.labels(queue.value)
        # What is counted for every job, found once for each queue and type.
        self._waits = cache(partial(_series, metrics.job_wait))
        self._times = cache(partial(_series, metrics.job_processing))
        self._done = cache(partial(_series, metrics.jobs_total, outcome="completed"))

    def started(self, queue: Queue, job_type: str, waited: float) -> None:
        self._waits(queue, job_type).observe(waited)

    def misheard(self) -> None:
        self._metrics.wake_words_ignored.inc()

    def completed(self, queue: Queue, job_type: str, job_id: UUID, attempt: int, seconds: float) -> None:
        self._done(queue, job_type).inc()
        self._times(queue, job_type).observe(seconds)
        _completed(job_id, job_type, attempt, round(seconds * 1000, 2))

    def failed(
        self, queue: Queue, job_type: str, job_id: UUID, attempt: int, seconds: float, *, outcome: str, code: str
    ) -> None:
        self._metrics.jobs_total.labels(queue.value, job_type, outcome).inc()
        self._metrics.job_processing.labels(queue.value, job_type).observe(seconds)
        emit_event(
            # What is held back is tried again and again: whoever holds it says so once.
            "debug" if outcome == "held" else "error" if outcome in ("failed", "timed_out") else "warn",
            _MODULE,
            "job attempt failed",
            {
                "job_id": job_id,
                "type": job_type,
                "attempt": attempt,
                "outcome": outcome,
                "code": code,
                "duration_ms": round(seconds * 1000, 2),
            },
        )

    def stalled(self, queue: Queue, job_type: str, job_id: UUID, attempt: int, status: str) -> None:
        self._metrics.jobs_stalled.labels(queue.value).inc()
        self._metrics.jobs_total.labels(queue.value, job_type, "lost").inc()
        emit_event(
            "error" if status == "failed" else "warn",
            _MODULE,
            "job stalled",
            {"job_id": job_id, "type": job_type, "attempt": attempt, "status": status},
        )

    def swept(self, lag: float) -> None:
        self._metrics.sweeper_lag.set(lag)

    def unknown(self, counts: dict[str, int]) -> None:
        for queue, count in counts.items():
            self._metrics.jobs_unknown.labels(queue).set(count)

    def depths(self, counts: dict[tuple[str, str], int]) -> None:
        for queue in Queue:
            for state in ("waiting", "active", "delayed"):
                self._metrics.queue_depth.labels(queue.value, state).set(counts.get((queue.value, state), 0))
