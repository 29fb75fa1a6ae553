"""Counts are right: in one process, over many threads, over several processes, after crashes and forks."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from singr_observability import Metrics, build_metrics, prepare_multiprocess_dir

# prometheus_client is imported first and no variable is set: the case in which its own multiprocess mode stays empty.
CHILD = """
import sys, time, os
import prometheus_client
from singr_observability import build_metrics
metrics = build_metrics(sys.argv[1])
metrics.jobs_total.labels("email", "email.send", "completed").inc(int(sys.argv[2]))
metrics.job_processing.labels("email", "email.send").observe(0.02)
metrics.queue_depth.labels(queue="email", state="waiting").set(int(sys.argv[2]))
metrics.flush()
print(os.getpid(), flush=True)
sys.stdin.readline()
"""


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    body, content_type = metrics.render_text()
    assert content_type.startswith("text/plain")
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def start(directory: Path, number: int) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert int(child.stdout.readline()) == child.pid
    return child


def end(child: subprocess.Popen[str], *, kill: bool = False) -> None:
    if kill:
        child.send_signal(signal.SIGKILL)
    child.communicate("\n", timeout=30)


def test_one_process_renders_text_and_json():
    metrics = build_metrics()
    metrics.http_requests.labels("GET", "/v1/jobs/{id}", 200).inc()
    metrics.send_latency.labels(channel="email", provider="smtp").observe(0.03)
    metrics.sweeper_lag.set(1.5)
    metrics.enqueue_latency.observe(0.004)
    shown = samples(metrics)
    assert shown["singr_http_requests_total", ("GET", "/v1/jobs/{id}", "200")] == 1
    assert shown["singr_send_duration_seconds_count", ("email", "smtp")] == 1
    assert shown["singr_sweeper_lag_seconds", ()] == 1.5
    as_json = json.loads(json.dumps(metrics.render_json()))
    latency = as_json["singr_send_duration_seconds"]["values"][0]
    assert latency["labels"] == {"channel": "email", "provider": "smtp"}
    assert latency["count"] == 1
    assert 0.025 <= latency["p95"] <= 0.05
    assert as_json["singr_http_requests"]["values"][0]["value"] == 1


def test_histogram_puts_each_observation_into_its_bucket():
    metrics = build_metrics()
    for value in (0.001, 0.0011, 0.05, 0.051, 99.0):
        metrics.enqueue_latency.observe(value)
    shown = samples(metrics)
    bucket = "singr_enqueue_duration_seconds_bucket"
    assert shown[bucket, ("0.001",)] == 1, "an upper bound is part of its bucket"
    assert shown[bucket, ("0.05",)] == 3
    assert shown[bucket, ("10.0",)] == 4
    assert shown[bucket, ("+Inf",)] == 5
    assert shown["singr_enqueue_duration_seconds_sum", ()] == pytest.approx(99.1031)


def test_threads_lose_no_count():
    metrics = build_metrics()
    counter, histogram = metrics.jobs_stalled.labels("email"), metrics.enqueue_latency

    def work() -> None:
        for _ in range(20_000):
            counter.inc()
            histogram.observe(0.01)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.render_text()
    shown = samples(metrics)
    assert shown["singr_jobs_stalled_total", ("email",)] == 80_000
    assert shown["singr_enqueue_duration_seconds_count", ()] == 80_000


def test_wrong_use_is_refused():
    metrics = build_metrics()
    with pytest.raises(ValueError, match="queue, type"):
        metrics.job_processing.labels("email")
    with pytest.raises(ValueError, match="queue, type"):
        metrics.job_processing.labels(queue="email", kind="x")
    with pytest.raises(ValueError, match="only goes up"):
        metrics.jobs_stalled.labels("email").inc(-1)
    with pytest.raises(ValueError, match="exists already"):
        metrics.counter("singr_jobs_total", "Again.")


def test_spawned_processes_are_merged_by_any_of_them(tmp_path):
    metrics = build_metrics(prepare_multiprocess_dir(tmp_path / "metrics"))
    metrics.jobs_total.labels("email", "email.send", "completed").inc(100)
    children = [start(tmp_path / "metrics", number) for number in (1, 2)]
    try:
        shown = samples(metrics)
    finally:
        for child in children:
            end(child)
    assert shown["singr_jobs_total", ("completed", "email", "email.send")] == 103
    assert shown["singr_job_processing_seconds_count", ("email", "email.send")] == 2
    assert shown["singr_job_processing_seconds_bucket", ("0.025", "email", "email.send")] == 2
    assert shown["singr_queue_depth", ("email", "waiting")] in {1, 2}, "the process that set it last counts"
    metrics.close()


def test_killed_process_keeps_its_counts_and_loses_its_gauges(tmp_path):
    directory = prepare_multiprocess_dir(tmp_path / "metrics")
    metrics = build_metrics(directory)
    for number in (5, 7):
        child = start(directory, number)
        end(child, kill=True)
        metrics.mark_process_dead(child.pid)
        metrics.mark_process_dead(child.pid)
        shown = samples(metrics)
        assert ("singr_queue_depth", ("email", "waiting")) not in shown
    assert shown["singr_jobs_total", ("completed", "email", "email.send")] == 12
    assert shown["singr_job_processing_seconds_count", ("email", "email.send")] == 2
    own = {f"{kind}_{os.getpid()}.db" for kind in ("counter", "histogram")}
    assert {file.name for file in directory.glob("*.db")} <= {"counter_0.db", "histogram_0.db", *own}
    metrics.close()


@pytest.mark.parametrize(
    "left", [b"", b"\0\0", b"\0" * 65_536, b"\xff\xff\xff\x7f" + b"\xff" * 60], ids=["empty", "torn", "zeros", "lost"]
)
def test_file_that_a_process_died_over_is_dropped_and_others_count_on(tmp_path, left):
    directory = prepare_multiprocess_dir(tmp_path / "metrics")
    metrics = build_metrics(directory)
    child = start(directory, 5)
    end(child, kill=True)
    (directory / "counter_1234567.db").write_bytes(left)
    for pid in (1234567, child.pid):
        metrics.mark_process_dead(pid)
    assert not (directory / "counter_1234567.db").exists()
    assert samples(metrics)["singr_jobs_total", ("completed", "email", "email.send")] == 5
    metrics.close()


def test_process_that_gets_a_dead_ones_id_goes_on_from_its_counts(tmp_path):
    first = build_metrics(tmp_path)
    first.jobs_stalled.labels("email").inc(3)
    first.close()
    second = build_metrics(tmp_path)
    second.jobs_stalled.labels("email").inc(4)
    assert samples(second)["singr_jobs_stalled_total", ("email",)] == 7
    second.close()


def test_prepare_removes_what_an_earlier_set_left(tmp_path):
    first = build_metrics(tmp_path)
    first.jobs_stalled.labels("email").inc(3)
    first.close()
    metrics = build_metrics(prepare_multiprocess_dir(tmp_path))
    assert ("singr_jobs_stalled_total", ("email",)) not in samples(metrics)
    metrics.close()


def count_in_fork(metrics: Metrics) -> None:
    metrics.jobs_stalled.labels("email").inc(10)
    metrics.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_forked_processes_count_from_zero_into_their_own_files(tmp_path):
    metrics = build_metrics(tmp_path)
    metrics.jobs_stalled.labels("email").inc(1)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=count_in_fork, args=(metrics,)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    metrics.jobs_stalled.labels("email").inc(1)
    assert samples(metrics)["singr_jobs_stalled_total", ("email",)] == 32
    metrics.close()


def test_other_processes_see_counts_without_being_asked(tmp_path):
    writer, reader = build_metrics(tmp_path), build_metrics(tmp_path / "other")
    writer.jobs_stalled.labels("email").inc()
    deadline = time.monotonic() + 10
    while not any("jobs_stalled" in file.read_text("latin-1") for file in tmp_path.glob("counter_*.db")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    writer.close()
    reader.close()


def test_rendering_while_processes_come_and_go_never_fails(tmp_path):
    directory = prepare_multiprocess_dir(tmp_path / "metrics")
    metrics = build_metrics(directory)
    stop = threading.Event()
    failures: list[BaseException] = []

    def render() -> None:
        while not stop.is_set():
            try:
                metrics.render_text()
            except BaseException as error:  # noqa: BLE001 - handed to the test
                failures.append(error)
                return

    thread = threading.Thread(target=render)
    thread.start()
    for number in range(4):
        child = start(directory, number)
        end(child, kill=bool(number % 2))
        metrics.mark_process_dead(child.pid)
    stop.set()
    thread.join()
    assert failures == []
    metrics.close()
