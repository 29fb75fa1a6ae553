"""What observability costs: the CPU of the API in ingestion with logs, metrics and correlation off, against all on.

By turns, and by CPU a request: throughput jumps by more from turn to turn than any of them costs.
"""

from __future__ import annotations

import contextlib
import time

from bench.cpu import API, POSTGRES
from bench.figures import NONE, Row, at_most, median
from bench.harness import Running, Stand, load
from bench.rows.ingestion import plan

BENCH = "Observability"
TURNS = 7  # the differences are small
ONE_TARGET = 1.0
ALL_TARGET = 5.0
OFF = {"ENABLE_REQUEST_LOGGING": "false"}
# name → (environment, parts cut out of the code)
VARIANTS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "logs": (OFF, ()),
    "metrics": ({}, ("metrics",)),
    "correlation": ({}, ("correlation",)),
    "all three": (OFF, ("metrics", "correlation")),
}
FULL = "everything on"


def run(place: Stand) -> list[Row]:
    """Measure the whole API and each reduced one by turns; the order turns round each time."""
    turns, count, warmup = place.scaled(TURNS, 1), place.scaled(8_000, 200), place.scaled(1_000, 20)
    micros: dict[str, list[float]] = {name: [] for name in (FULL, *VARIANTS)}
    with contextlib.ExitStack() as stack:
        services: dict[str, Running] = {}
        for number, (name, (environ, parts)) in enumerate({FULL: ({}, ()), **VARIANTS}.items()):
            given = place.environ(place.database(f"observed_{number}"), 5 + number, **environ)
            services[name] = stack.enter_context(place.cut_api(f"observed-{number}", given, parts))
        for turn in range(turns):
            for name in list(services)[:: -1 if turn % 2 else 1]:
                meter = place.meter({API: services[name]})
                load(plan(services[name].url, count=count, warmup=warmup))
                used = meter.lap()
                who = name if name == FULL else f"without {name if name != 'all three' else 'all three of them'}"
                shown = {part: used[part] for part in (API, POSTGRES) if part in used}
                place.cpu.add(BENCH, who, "request", shown, count + warmup)
                micros[name].append(used.get(API, 0.0) / (count + warmup) * 1e6)
                time.sleep(place.scaled(1, 0) / 2)
    return [row(name, micros) for name in VARIANTS] if any(micros[FULL]) else []


def row(name: str, micros: dict[str, list[float]]) -> Row:
    """How much of the API's CPU a request the part takes; beside it in microseconds."""
    pairs = [(full, less) for full, less in zip(micros[FULL], micros[name], strict=True) if full]
    share = 100 * median([1 - less / full for full, less in pairs])
    difference = median([full - less for full, less in pairs])
    limit = ALL_TARGET if name == "all three" else ONE_TARGET
    measure = f"{name}: share of the API's CPU a request ({difference:.1f} µs of {median(micros[FULL]):.0f})"
    return Row(BENCH, measure, f"{share:.1f} %", NONE, NONE, at_most(max(share, 0.0), limit, "%"))
