"""The metrics of Singr, built once per process and passed to whoever counts."""

import atexit
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from singr_observability._forks import forks
from singr_observability.logs._logging import get_logger
from singr_observability.metrics._metrics_json import json_values
from singr_observability.metrics._multiprocess import AnyFamily, ProcessFiles, mark_process_dead, read_all
from singr_observability.metrics._prometheus import float_to_go_string
from singr_observability.metrics._series import (
    DURATION_BUCKETS,
    LATENCY_BUCKETS,
    Counter,
    Gauge,
    GaugeSeries,
    Histogram,
)

_WRITE_SECONDS: Final = 0.5
_log = get_logger("metrics")
_AnyMetric = TypeVar("_AnyMetric", Counter, Gauge, Histogram)


class Metrics:
    """Every metric of a Singr process.

    Build it with `build_metrics`. With a multiprocess directory, any process's `render_text()` speaks for all of
    them; what another process counted is seen half a second later at most. Forks are followed: a child counts from
    zero, into files of its own.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._families: dict[str, AnyFamily] = {}
        self._lock = threading.Lock()
        self._files = ProcessFiles(directory) if directory is not None else None
        self._said = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._declare()
        self._declare_notifications()
        self._declare_jobs()
        self._declare_standing_work()
        forks.add(self)
        if self._files is not None:
            atexit.register(self.close)
            self._start()

    def _declare(self) -> None:
        self.http_requests = self.counter("singr_http_requests", "Requests answered.", ("method", "route", "status"))
        self.http_latency = self.histogram(
            "singr_http_request_duration_seconds",
            "Time from a request's arrival to its last byte.",
            ("method", "route"),
        )
        self.http_errors = self.counter(
            "singr_http_errors", "Requests answered with 5xx.", ("method", "route", "status")
        )
        self.enqueue_latency = self.histogram("singr_enqueue_duration_seconds", "Time to commit a job.")
        self.send_latency = self.histogram(
            "singr_send_duration_seconds", "Time a provider took to take a message.", ("channel", "provider")
        )
        self.sends_total = self.counter(
            "singr_sends", "Messages given to providers.", ("channel", "provider", "outcome")
        )
        self.provider_refused = self.gauge(
            "singr_provider_refused",
            "1 while a provider refuses our account, so that its messages wait; 0 while it accepts it.",
            ("channel", "provider"),
        )
        self.provider_open = self.gauge(
            "singr_provider_open",
            "1 while a provider's breaker is open, so that others are called, or messages wait; 0 while it is closed.",
            ("channel", "provider"),
        )
        self.webhooks_total = self.counter(
            "singr_webhooks",
            "Callbacks of providers: accepted, repeated, refused; and of what they tell, applied, ignored, unknown.",
            ("provider", "outcome"),
        )
        self.auth_total = self.counter("singr_auth", "Authentications, by method and outcome.", ("method", "outcome"))

    def _declare_notifications(self) -> None:
        self.notification_recipients = self.counter(
            "singr_notification_recipients", "Recipients of notifications who had their turn.", ("type",)
        )
        self.notification_messages = self.counter(
            "singr_notification_messages",
            "Messages that notifications came to: queued, delivered into an inbox, or the reason why not.",
            ("type", "channel", "reason"),
        )
        self.notification_lag = self.histogram(
            "singr_notification_lag_seconds",
            "Time from when a notification was due until all its recipients had their turn, without a rate.",
            ("type",),
            DURATION_BUCKETS,
        )
        self.notifications_overdue = self.gauge(
            "singr_notifications_overdue",
            "Notifications that have been due for more than a day and have not ended, of the oldest 1,000.",
        )
        self.digests_late = self.gauge(
            "singr_digests_late_seconds", "How long the oldest digest that nobody closes has been due."
        )
        self.digests_held = self.counter(
            "singr_digests_held",
            "Times that a digest was left for a process that can open it, by what is shut.",
            ("what",),
        )

    def _declare_jobs(self) -> None:
        self.job_processing = self.histogram(
            "singr_job_processing_seconds", "Time in a job's handler.", ("queue", "type"), DURATION_BUCKETS
        )
        self.job_wait = self.histogram(
            "singr_job_wait_seconds",
            "Time from when an attempt was due until it began.",
            ("queue", "type"),
            DURATION_BUCKETS,
        )
        self.wake_words_ignored = self.counter(
            "singr_wake_words_ignored", "Words on the wake channel that nobody of ours says."
        )
        self.jobs_total = self.counter("singr_jobs", "Attempts at jobs, by outcome.", ("queue", "type", "outcome"))
        self.jobs_stalled = self.counter("singr_jobs_stalled", "Jobs whose lease ran out.", ("queue",))
        self.queue_depth = self.gauge("singr_queue_depth", "Jobs in a queue, by state.", ("queue", "state"))
        self.queue_paused = self.gauge("singr_queue_paused", "1 while a queue is paused, else 0.", ("queue",))
        self.dead_letters_open = self.gauge(
            "singr_dead_letters_open", "Dead letters that nobody has settled, of the latest 10,000.", ("queue",)
        )
        self.bulk_actions_running = self.gauge(
            "singr_bulk_actions_running", "Bulk actions that are neither done nor stopped.", ("action",)
        )
        self.jobs_astray = self.counter(
            "singr_jobs_astray_total", "Jobs that were found to lie nowhere, or in two places.", ("queue",)
        )
        self.jobs_unknown = self.gauge("singr_jobs_unknown", "Due jobs whose type no running worker knows.", ("queue",))
        self.handlers_given_up = self.gauge(
            "singr_handlers_given_up", "Handlers that go on though they were given up.", ("queue",)
        )
        self.schedule_fires = self.counter(
            "singr_schedule_fires", "Times of schedules, by what became of them.", ("outcome",)
        )
        self.schedules_late = self.gauge(
            "singr_schedules_late_seconds", "How long the oldest schedule that nobody fires has been due."
        )
        self.sweeper_lag = self.gauge("singr_sweeper_lag_seconds", "How late the sweeper found the oldest lost lease.")

    def _declare_standing_work(self) -> None:
        self.standing_work_paused = self.gauge(
            "singr_standing_work_paused_seconds",
            "For how long standing work has been paused, 0 while it is not.",
            ("work",),
        )
        self.retention_dropped = self.counter("singr_retention_dropped", "Weeks of jobs that were dropped.")
        self.retention_moved = self.counter("singr_retention_moved", "Jobs that outlived a week that was dropped.")
        self.retention_deleted = self.counter(
            "singr_retention_deleted", "Jobs deleted that had outlived their week until then."
        )
        self.retention_held_up = self.gauge(
            "singr_retention_held_up", "Weeks of jobs that should be gone, and could not be dropped."
        )
        self.retention_seconds = self.gauge("singr_retention_seconds", "How long the last turn of retention took.")
        self.messages_weeks_dropped = self.counter(
            "singr_messages_weeks_dropped", "Weeks of messages that were dropped."
        )
        self.messages_moved = self.counter("singr_messages_moved", "Messages that outlived a week that was dropped.")
        self.messages_deleted = self.counter(
            "singr_messages_deleted",
            "Messages deleted by themselves, their time being over before their week's, or after.",
        )
        self.messages_blanked = self.counter(
            "singr_messages_blanked", "Messages whose words were deleted, and that they were sent is kept."
        )
        self.messages_held_up = self.gauge(
            "singr_messages_held_up", "Weeks of messages that should be gone, and could not be dropped."
        )
        self.messages_oldest_week = self.gauge(
            "singr_messages_oldest_week_seconds", "Age of the oldest week of messages that is kept."
        )
        self.vacuum_held = self.gauge(
            "singr_vacuum_held_seconds", "For how long a transaction has kept vacuum from clearing dead rows."
        )
        self.jobs_oldest_week = self.gauge(
            "singr_jobs_oldest_week_seconds", "Age of the oldest week of jobs that is kept whole."
        )

    def counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
        """Declare a further counter (`name` without `_total`); raises ValueError when the name is taken."""
        return self._add(Counter(name, documentation, labels))

    def gauge(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
        """Declare a further gauge; raises ValueError when the name is taken."""
        return self._add(Gauge(name, documentation, labels))

    def histogram(
        self, name: str, documentation: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_BUCKETS
    ) -> Histogram:
        """Declare a further histogram; raises ValueError when the name is taken."""
        return self._add(Histogram(name, documentation, labels, buckets))

    def _add(self, family: _AnyMetric) -> _AnyMetric:
        with self._lock:
            if family.name in self._families:
                raise ValueError(f"a metric named {family.name} exists already")
            self._families[family.name] = family
        return family

    def render_text(self) -> tuple[bytes, str]:
        """Return the Prometheus text exposition (0.0.4) of all processes, and its content type."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Snapshot(self._collect()))
        return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4

    def render_json(self) -> dict[str, object]:
        """Return `{name: {"type", "help", "values": [{"labels", ...}]}}` of all processes.

        A counter or gauge has `value`; a histogram has `count`, `sum`, and `p50`, `p95`, `p99` estimated from its
        buckets (null when nothing was observed).
        """
        return {
            metric.name: {"type": metric.type, "help": metric.documentation, "values": json_values(metric)}
            for metric in self._collect()
        }

    def mark_process_dead(self, pid: int) -> None:
        """Take the gauges of an ended process away; its counts stay. Does nothing without a multiprocess directory."""
        if self._directory is not None:
            mark_process_dead(pid, self._directory)

    def flush(self) -> None:
        """Write this process's values for the others to see."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        """Write, with the lock held. A disk without room costs the numbers, not the service."""
        if self._files is None:
            return
        try:
            self._files.write(self._families.values())
            self._said = False
        except (OSError, ValueError) as error:
            if not self._said:
                self._said = True
                _log.error("metrics are not written for the other processes to see: {}", error)

    def close(self) -> None:
        """Write for the last time and stop the thread. The object still counts and renders afterwards."""
        self._stop.set()
        if self._files is not None:
            with self._lock:
                self._write()
                self._files.close()
        atexit.unregister(self.close)

    def _collect(self) -> list[Metric]:
        if self._directory is None:
            return [_as_metric(family) for family in self._families.values()]
        self.flush()
        try:
            found = read_all(self._directory)
        except OSError as error:  # the directory is gone, say: what this process knows is better than nothing
            _log.error("the metrics of other processes cannot be read: {}", error)
            return [_as_metric(family) for family in self._families.values()]
        return sorted(found, key=lambda metric: metric.name)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name="singr-metrics", daemon=True)
        self._thread.start()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(_WRITE_SECONDS):
            with self._lock:
                if not stop.is_set():
                    self._write()

    def before_fork(self) -> None:
        """Hold still while the process is copied."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Count from zero, into files of this process's own."""
        self._lock = threading.Lock()
        for family in self._families.values():
            family.reset()
        if self._directory is not None and self._files is not None:
            self._files.close()
            self._files = ProcessFiles(self._directory)
            stopped = self._stop.is_set()
            self._stop = threading.Event()
            if not stopped:
                self._start()


class _Snapshot:
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _as_metric(family: AnyFamily) -> Metric:
    names = family.label_names
    metric: Metric
    if family.kind == "counter":
        metric = counter = CounterMetricFamily(family.name, family.documentation, labels=names)
        for labels, series in family.series():
            counter.add_metric(labels, series.numbers()[0])
    elif family.kind == "gauge":
        metric = gauge = GaugeMetricFamily(family.name, family.documentation, labels=names)
        for labels, series in family.series():
            if isinstance(series, GaugeSeries) and series.changed_at:
                gauge.add_metric(labels, series.value)
    else:
        metric = histogram = HistogramMetricFamily(family.name, family.documentation, labels=names)
        for labels, series in family.series():
            *counts, total = series.numbers()
            histogram.add_metric(labels, _cumulative(family.buckets, counts), total)
    return metric


def _cumulative(bounds: Sequence[float], counts: Sequence[float]) -> list[tuple[str, float]]:
    seen = 0.0
    buckets = []
    for bound, count in zip(bounds, counts, strict=True):
        seen += count
        buckets.append((float_to_go_string(bound), seen))
    return buckets


def build_metrics(multiprocess_dir: str | Path | None = None) -> Metrics:
    """Build this process's metrics; with a directory (made if missing), they are merged with other processes'.

    May be called whenever and as often as wanted: nothing is decided at import, no environment variable is read. Where
    the directory cannot be made, this process's metrics stay its own.
    """
    if not multiprocess_dir:
        return Metrics(None)
    directory = Path(multiprocess_dir)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _log.error("metrics are not shared between processes: {}", error)
        return Metrics(None)
    return Metrics(directory)
