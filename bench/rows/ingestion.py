"""Ingestion: signed, idempotent, validated `POST /v1/jobs` at 64 connections, ours and the peer in turns."""

from __future__ import annotations

import contextlib
import time

from bench.conformance import check_service
from bench.cpu import API, LOAD, NODE
from bench.figures import TURNS, Row, latency_rows, rate_row
from bench.harness import OURS, THEIRS, Running, Stand, load, sms_plan
from bench.load import Outcome, Plan

BENCH = "Ingestion"
CONNECTIONS = 64
P95_TARGET_MS = 20.0
RATIO_TARGET = 1.0


def plan(url: str, *, count: int, warmup: int) -> Plan:
    """What one turn sends."""
    return sms_plan(url, count=count, warmup=warmup, connections=CONNECTIONS)


def run(place: Stand) -> list[Row]:
    """Measure both in turns, ours first; the machine is the same, the order of the noise is not."""
    turns, count, warmup = place.scaled(TURNS, 1), place.scaled(20_000, 300), place.scaled(2_000, 50)
    outcomes: dict[str, list[Outcome]] = {OURS: [], THEIRS: []}
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(place.api("ingestion-api", place.environ(place.database("ingestion"), 1)))
        services: dict[str, tuple[str, Running]] = {OURS: (API, ours)}
        if place.node is not None:
            services[THEIRS] = (NODE, stack.enter_context(place.peer("ingestion-peer")))
        for _, service in services.values():
            check_service(service.url)
        for _ in range(turns):
            for name, (part, service) in services.items():
                meter = place.meter({part: service})
                outcome = load(plan(service.url, count=count, warmup=warmup))
                place.cpu.add(BENCH, name, "request", meter.lap(), count + warmup)
                place.cpu.add(BENCH, name, "request", {LOAD: outcome.cpu}, count)
                outcomes[name].append(outcome)
                time.sleep(place.scaled(1, 0))
    return rows(outcomes)


def rows(outcomes: dict[str, list[Outcome]]) -> list[Row]:
    """Medians over the turns."""
    rates = {name: [len(one.latencies) / one.seconds for one in turns] for name, turns in outcomes.items()}
    latencies = {name: [one.latencies for one in turns] for name, turns in outcomes.items()}
    measure = f"requests a second, {CONNECTIONS} connections"
    return [
        rate_row(BENCH, measure, rates[OURS], rates[THEIRS], times_peer=RATIO_TARGET),
        *latency_rows(BENCH, latencies[OURS], latencies[THEIRS], percents=(50, 95, 99), limits={95: P95_TARGET_MS}),
    ]
