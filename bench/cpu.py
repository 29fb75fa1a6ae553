"""Where the processor's time goes, by process: the figure that holds on any machine and beside any noise.

A process counts with all its children, those that ended too: PostgreSQL is its postmaster, an API its supervisor.
Told by Linux only, in steps of 10 ms; elsewhere the table stays empty.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import NONE, median

API, WORKER, POSTGRES, VALKEY, NODE, LOAD, PROVIDER = (
    "API",
    "worker",
    "PostgreSQL",
    "Valkey",
    "Node",
    "load generator",
    "provider",
)
PARTS = (API, WORKER, POSTGRES, VALKEY, NODE, LOAD, PROVIDER)
_PROC = Path("/proc")


def cpu_seconds(*roots: int) -> list[float]:
    """Processor time that each of these processes has used so far, with its children; nothing where nobody tells."""
    own: dict[int, float] = {}
    children: dict[int, list[int]] = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        pid = int(stat.parent.name)
        own[pid] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
        children.setdefault(int(fields[1]), []).append(pid)
    if not own:
        return []

    def whole(pid: int) -> float:
        return own.get(pid, 0.0) + sum(whole(child) for child in children.get(pid, ()))

    return [whole(root) for root in roots]


def resident_mb(root: int) -> float:
    """Memory that a process holds now, with its children; 0 where nobody tells."""
    parents: dict[int, list[int]] = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))

    def whole(pid: int) -> float:
        found = 0.0
        with contextlib.suppress(OSError):
            lines = (_PROC / str(pid) / "status").read_text().splitlines()
            found = sum(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmRSS"))
        return found + sum(map(whole, parents.get(pid, ())))

    return whole(root)


class Meter:
    """Reads the processor time of named processes, from one lap to the next."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._last = cpu_seconds(*pids.values())

    def lap(self) -> dict[str, float]:
        """Seconds that each has used since the last lap."""
        now, before = cpu_seconds(*self._pids.values()), self._last
        self._last = now
        return {part: now[at] - before[at] for at, part in enumerate(self._pids)} if now else {}


@dataclass
class CpuTable:
    """Microseconds a job or a request, by process: one line for each bench and each of those measured."""

    turns: dict[tuple[str, str, str], list[dict[str, float]]] = field(default_factory=dict)

    def add(self, bench: str, who: str, unit: str, used: dict[str, float], count: int) -> None:
        """Note one turn: `used` seconds by process for `count` jobs or requests."""
        if used:
            each = {part: seconds / count * 1e6 for part, seconds in used.items()}
            self.turns.setdefault((bench, who, unit), []).append(each)

    def cells(self) -> list[tuple[str, ...]]:
        """The lines with their head, medians over the turns."""
        shown = [part for part in PARTS if any(part in turn for turns in self.turns.values() for turn in turns)]
        lines = [("CPU µs", "of", "a", *shown)]
        for (bench, who, unit), turns in self.turns.items():
            found = {part: [turn[part] for turn in turns if part in turn] for part in shown}
            lines.append((bench, who, unit, *(f"{median(each):,.1f}" if each else NONE for each in found.values())))
        return lines if len(lines) > 1 else []
