"""Log lines and metrics about jobs."""

from collections import Counter
from functools import lru_cache
from typing import Final
from uuid import UUID

from singr_db.tables import BulkKind, FireOutcome
from singr_jobs.declare._types import Queue
from singr_jobs.running._observer import JobObserver
from singr_observability import Metrics, declare_event, emit_event

_MODULE = "jobs"
# Said for each job, and so declared beforehand: a microsecond instead of ten.
_completed = declare_event("info", _MODULE, "job completed", ("job_id", "type", "attempt", "duration_ms"))


# So many queues and types (and outcomes) at once are counted without a look-up; what is dropped is looked up again.
_REMEMBERED: Final = 1024
# What stands for queues that are declared elsewhere: anybody may store a name.
_OTHER: Final = "other"
_STATES: Final = ("waiting", "active", "delayed", "parked", "dependent")


class _Series:
    """What is counted for each job of one queue and type: found once, kept as the calls that count."""

    __slots__ = ("completed", "took", "waited")

    def __init__(self, metrics: Metrics, queue: str, job_type: str) -> None:
        self.waited = metrics.job_wait.labels(queue, job_type).observe
        self.took = metrics.job_processing.labels(queue, job_type).observe
        self.completed = metrics.jobs_total.labels(queue, job_type, "completed").inc


class JobTelemetry(JobObserver):
    """Counts and logs what happens to jobs, as it happens."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        # There from the start, at 0, so that the first one that stalls is seen as an increase.
        for queue in Queue.declared():
            metrics.jobs_stalled.labels(queue.value)
            metrics.jobs_astray.labels(queue.value)
        metrics.vacuum_held.set(0.0)
        metrics.schedules_late.set(0.0)
        for outcome in FireOutcome:
            metrics.schedule_fires.labels(outcome.value)
        self._series = lru_cache(_REMEMBERED)(lambda queue, job_type: _Series(metrics, queue.value, job_type))

    def started(self, queue: Queue, job_type: str, waited: float) -> None:
        self._series(queue, job_type).waited(waited)

    def misheard(self) -> None:
        self._metrics.wake_words_ignored.inc()

    def completed(self, queue: Queue, job_type: str, job_id: UUID, attempt: int, seconds: float) -> None:
        series = self._series(queue, job_type)
        series.completed()
        series.took(seconds)
        _completed(job_id, job_type, attempt, round(seconds * 1000, 2))

    def failed(
        self, queue: Queue, job_type: str, job_id: UUID, attempt: int, seconds: float, *, outcome: str, code: str
    ) -> None:
        self._metrics.jobs_total.labels(queue.value, job_type, outcome).inc()
        self._series(queue, job_type).took(seconds)
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
        # Any process may find a lost job, also one of a queue of others: what they declare makes no labels here.
        label = queue.value if queue in Queue.declared() else _OTHER
        self._metrics.jobs_stalled.labels(label).inc()
        self._metrics.jobs_total.labels(label, job_type, "lost").inc()
        emit_event(
            "error" if status == "failed" else "warn",
            _MODULE,
            "job stalled",
            {"job_id": job_id, "type": job_type, "attempt": attempt, "status": status},
        )

    def swept(self, lag: float) -> None:
        self._metrics.sweeper_lag.set(lag)

    def held(self, seconds: float) -> None:
        self._metrics.vacuum_held.set(seconds)

    def fired(self, counts: dict[str, int]) -> None:
        for outcome, count in counts.items():
            self._metrics.schedule_fires.labels(outcome).inc(count)

    def schedules_late(self, seconds: float) -> None:
        self._metrics.schedules_late.set(seconds)

    def astray(self, counts: dict[str, int]) -> None:
        for queue, count in counts.items():
            self._metrics.jobs_astray.labels(queue).inc(count)

    def given_up(self, queue: Queue, count: int) -> None:
        self._metrics.handlers_given_up.labels(queue.value).set(count)

    def unknown(self, counts: dict[str, int]) -> None:
        for queue, count in counts.items():
            self._metrics.jobs_unknown.labels(queue).set(count)

    def unsettled(self, counts: dict[tuple[str, str], int]) -> None:
        declared = {queue.value for queue in Queue.declared()}
        shown = Counter({(what, queue): 0 for what in ("dead", "paused") for queue in (*declared, _OTHER)})
        for (what, name), count in counts.items():
            if what != "bulk":
                shown[what, name if name in declared else _OTHER] += count
        for (what, queue), count in shown.items():
            if what == "dead":
                self._metrics.dead_letters_open.labels(queue).set(count)
            else:
                self._metrics.queue_paused.labels(queue).set(min(count, 1))
        for kind in BulkKind:
            self._metrics.bulk_actions_running.labels(kind.value).set(counts.get(("bulk", kind.value), 0))

    def depths(self, counts: dict[tuple[str, str], int]) -> None:
        declared = {queue.value for queue in Queue.declared()}
        shown = Counter({(queue, state): 0 for queue in (*declared, _OTHER) for state in _STATES})
        for (queue, state), count in counts.items():
            shown[queue if queue in declared else _OTHER, state] += count
        for (queue, state), count in shown.items():
            self._metrics.queue_depth.labels(queue, state).set(count)
