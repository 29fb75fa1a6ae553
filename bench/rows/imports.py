"""What a service pays that imports singr-jobs for enqueueing alone: CPU time and memory, beside `python -c pass`."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.figures import TURNS, Row, at_most, median
from bench.harness import Stand

ENQUEUE = "from singr_jobs import Jobs, enqueue"
WORKER = "from singr_jobs import JobWorker"
CALLER = f"from sqlalchemy.ext.asyncio import AsyncSession; {ENQUEUE}"
RESIDENT_TARGET_MB = 50
CPU_TARGET = 0.25
_RESIDENT = (
    "; from pathlib import Path"
    "; print(*[line.split()[1] for line in Path('/proc/self/status').open() if line.startswith('VmHWM')])"
)


def run(place: Stand) -> list[Row]:
    """Enqueueing alone, the same with the SQLAlchemy that its caller has loaded, and all of the package, by turns."""
    turns = place.scaled(TURNS, 1)
    programs = {"pass": "pass", "enqueue": ENQUEUE, "caller": CALLER, "worker": WORKER}
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(turns):
        for name, program in programs.items():
            taken[name].append(cpu_seconds(program))
    seconds = {name: median(values) for name, values in taken.items()}
    share = seconds["enqueue"] / seconds["worker"]
    bare, resident = resident_mb("pass"), resident_mb(CALLER)
    return [
        Row(
            "imports",
            f"singr-jobs for enqueueing, CPU (python -c pass: {seconds['pass']:.2f} s)",
            f"{seconds['enqueue']:.2f} s, all of it {seconds['worker']:.2f} s",
            target=at_most(share, CPU_TARGET, "of all of it"),
        ),
        Row(
            "imports",
            f"the same and its caller's SQLAlchemy, resident (python -c pass: {bare:.0f} MB)",
            f"{resident:.0f} MB, {seconds['caller']:.2f} s",
            target=at_most(resident, RESIDENT_TARGET_MB, "MB"),
        ),
    ]


def cpu_seconds(program: str) -> float:
    """CPU time of a new interpreter that runs the program, children's system time included."""
    before = os.times()
    subprocess.run([sys.executable, "-I", "-c", program], check=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def resident_mb(program: str) -> float:
    """The most memory that an interpreter held that ran the program."""
    done = subprocess.run([sys.executable, "-I", "-c", program + _RESIDENT], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1000
