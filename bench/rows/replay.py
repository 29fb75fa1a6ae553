"""Idempotent replay at idle: one caller repeats one request with its key; every answer but the first is a replay."""

from __future__ import annotations

import contextlib

from bench.figures import TURNS, Row, latency_rows
from bench.harness import OURS, THEIRS, Stand, load, sms_plan
from bench.load import Plan

BENCH = "Idempotent replay"
LIMITS_MS = {50: 1.5, 95: 5.0}


def run(place: Stand) -> list[Row]:
    """Measure both in turns."""
    turns, count = place.scaled(TURNS, 1), place.scaled(500, 20)
    found: dict[str, list[list[float]]] = {OURS: [], THEIRS: []}
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(place.api("replay-api", place.environ(place.database("replay"), 4)))
        services = {OURS: ours}
        if place.node is not None:
            services[THEIRS] = stack.enter_context(place.peer("replay-peer"))
        for _ in range(turns):
            for name, service in services.items():
                found[name].append(load(plan(service.url, count)).latencies)
    return latency_rows(BENCH, found[OURS], found[THEIRS], percents=(50, 95), limits=LIMITS_MS)


def plan(url: str, count: int) -> Plan:
    """One caller, one request, again and again with pauses."""
    key = "bench-replay-key-0001"
    return sms_plan(url, count=count, warmup=20, connections=1, idempotency_key=key, pause=0.005)
