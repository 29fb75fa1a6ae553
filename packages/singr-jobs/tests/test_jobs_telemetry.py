"""What is counted about jobs, and what that counting remembers."""

from singr_jobs import JobTelemetry, Queue
from singr_jobs.running import _telemetry
from singr_observability import build_metrics


def test_a_type_is_counted_on_after_its_series_were_forgotten(monkeypatch):
    monkeypatch.setattr(_telemetry, "_REMEMBERED", 1)
    metrics = build_metrics()
    telemetry = JobTelemetry(metrics)
    for job_type in ("test.first", "test.second", "test.first"):
        telemetry.started(Queue.EMAIL, job_type, 0.5)
    assert telemetry._series.cache_info().currsize == 1
    values = metrics.render_json()["singr_job_wait_seconds"]["values"]
    assert {one["labels"]["type"]: one["count"] for one in values} == {"test.first": 2, "test.second": 1}


def test_what_waits_in_queues_that_are_declared_elsewhere_is_counted_together():
    metrics = build_metrics()
    JobTelemetry(metrics).depths({("email", "waiting"): 2, ("theirs", "waiting"): 3, ("others", "waiting"): 4})
    values = metrics.render_json()["singr_queue_depth"]["values"]
    shown = {one["labels"]["queue"]: one["value"] for one in values if one["labels"]["state"] == "waiting"}
    assert (shown["email"], shown["sms"], shown["other"]) == (2, 0, 7)
