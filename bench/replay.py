"""Idempotent replay at idle: one caller repeats one request with its key; every answer but the first is a replay."""

from __future__ import annotations

import contextlib

from bench.harness import OURS, SIGNING_SECRET, THEIRS, Row, Stand, latency_rows, load, sms_job
from bench.load import Plan

P95_TARGET_MS = 5.0


def run(place: Stand) -> list[Row]:
    """Measure ours, then the peer."""
    count = place.scaled(500, 20)
    found: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        services = {OURS: stack.enter_context(place.api("replay-api", place.environ(place.database("replay"), 4)))}
        if place.node is not None:
            services[THEIRS] = stack.enter_context(place.peer("replay-peer"))
        for name, url in services.items():
            plan = Plan(
                url=f"{url}/v1/jobs",
                key_id="env",
                secret=SIGNING_SECRET,
                body=sms_job(),
                count=count,
                warmup=20,
                connections=1,
                idempotency_key="bench-replay-key-0001",
                pause=0.005,
            )
            found[name] = load(plan).latencies
    other = [found[THEIRS]] if THEIRS in found else []
    return latency_rows("Idempotent replay", [found[OURS]], other, percents=(50, 95), p95_below=P95_TARGET_MS)
