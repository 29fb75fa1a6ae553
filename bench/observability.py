"""What observability costs: ingestion with logs, metrics and correlation, each off and on by turns."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from bench.harness import NONE, Row, Stand, load, median
from bench.ingestion import plan

TURNS = 7
ONE_TARGET = 0.01
ALL_TARGET = 0.05
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
    rates: dict[str, list[float]] = {name: [] for name in (FULL, *VARIANTS)}
    seconds: dict[str, list[float]] = {name: [] for name in rates}
    with contextlib.ExitStack() as stack:
        services: dict[str, tuple[str, int]] = {}
        for number, (name, (environ, parts)) in enumerate({FULL: ({}, ()), **VARIANTS}.items()):
            given = place.environ(place.database(f"observed_{number}"), 5 + number, **environ)
            services[name] = stack.enter_context(place.cut_api(f"observed-{number}", given, parts))
        for turn in range(turns):
            for name in list(services)[:: -1 if turn % 2 else 1]:
                url, pid = services[name]
                before = cpu_seconds(pid)
                outcome = load(plan(url, count=count, warmup=warmup))
                rates[name].append(count / outcome.seconds)
                seconds[name].append(cpu_seconds(pid) - before)
                time.sleep(place.scaled(1, 0) / 2)
    return [row(name, rates, seconds) for name in VARIANTS]


def row(name: str, rates: dict[str, list[float]], seconds: dict[str, list[float]]) -> Row:
    """How much slower ingestion is with the part on; beside it the share of the API's processor time."""
    slower = 1 - median([full / less for full, less in zip(rates[FULL], rates[name], strict=True)])
    work = median([1 - less / full for full, less in zip(seconds[FULL], seconds[name], strict=True) if full])
    limit = ALL_TARGET if name == "all three" else ONE_TARGET
    return Row(
        "Observability",
        f"cost of {name}: throughput lost (share of the API's CPU time)",
        f"{max(0.0, slower):.1%} ({work:.1%})",
        NONE,
        f"{1 - slower:.3f}",
        f"< {limit:.0%}",
        slower < limit,
    )


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far; 0 where the system does not tell it so."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
