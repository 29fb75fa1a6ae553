"""Ingestion: signed, idempotent, validated `POST /v1/jobs` at 64 connections, ours and the peer in turns."""

from __future__ import annotations

import contextlib
import time

from bench.conformance import check_service
from bench.harness import OURS, SIGNING_SECRET, THEIRS, Row, Stand, latency_rows, load, rate_row, sms_job
from bench.load import Outcome, Plan

CONNECTIONS = 64
TURNS = 5
P95_TARGET_MS = 50.0
RATIO_TARGET = 1.0


def plan(url: str, *, count: int, warmup: int) -> Plan:
    """What one turn sends."""
    return Plan(
        url=f"{url}/v1/jobs",
        key_id="env",
        secret=SIGNING_SECRET,
        body=sms_job(),
        count=count,
        warmup=warmup,
        connections=CONNECTIONS,
    )


def run(place: Stand) -> list[Row]:
    """Measure both in turns, ours first; the machine is the same, the order of the noise is not."""
    turns, count, warmup = place.scaled(TURNS, 1), place.scaled(20_000, 300), place.scaled(2_000, 50)
    outcomes: dict[str, list[Outcome]] = {OURS: [], THEIRS: []}
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(place.api("ingestion-api", place.environ(place.database("ingestion"), 1)))
        services = {OURS: ours}
        if place.node is not None:
            services[THEIRS] = stack.enter_context(place.peer("ingestion-peer"))
        for url in services.values():
            check_service(url)
        for _ in range(turns):
            for name, url in services.items():
                outcomes[name].append(load(plan(url, count=count, warmup=warmup)))
                time.sleep(place.scaled(1, 0))
    return rows(outcomes)


def rows(outcomes: dict[str, list[Outcome]]) -> list[Row]:
    """Medians over the turns."""
    rates = {name: [len(one.latencies) / one.seconds for one in turns] for name, turns in outcomes.items()}
    latencies = {name: [one.latencies for one in turns] for name, turns in outcomes.items()}
    return [
        rate_row(
            "Ingestion",
            f"requests a second, {CONNECTIONS} connections",
            rates[OURS],
            rates[THEIRS],
            at_least=RATIO_TARGET,
        ),
        *latency_rows("Ingestion", latencies[OURS], latencies[THEIRS], percents=(50, 95, 99), p95_below=P95_TARGET_MS),
    ]
