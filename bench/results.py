"""How results are told: the table of rows, the table of CPU time, what ran on what, and the page with all of it."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Row
from bench.harness import OURS, PEER, Stand

HEAD = ("bench", "measure", OURS, "peer", "ratio", "target", "reached")
PACKAGES = (
    "litestar",
    "uvicorn",
    "msgspec",
    "psycopg",
    "sqlalchemy",
    "dramatiq",
    "redis",
    "loguru",
    "prometheus-client",
    "joserfc",
    "cryptography",
    "argon2-cffi",
)
PEER_PACKAGES = ("fastify", "bullmq", "ioredis", "pino", "prom-client")


def tables(rows: list[Row], place: Stand) -> str:
    """What was measured, and where the processor's time went."""
    parts = [markdown([HEAD, *(row.cells() for row in rows)])]
    if cells := place.cpu.cells():
        parts.append(markdown(cells))
    return "\n\n".join(parts)


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """A head and its lines as a Markdown table that reads well in a terminal too."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def describe(place: Stand) -> list[str]:
    """What ran, on what; no name or path of the machine."""
    ours = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    postgres, valkey = place.servers.postgres.version, place.servers.valkey.version
    found = [
        f"Machine: {processor()}, {os.cpu_count()} cores, {memory_gb()} GB, {platform.system()} {platform.machine()}.",
        f"Ours: CPython {platform.python_version()}, {ours}.",
        f"Servers: PostgreSQL {postgres} (fsync on), Valkey {valkey} (append-only), the load generator beside them.",
    ]
    if place.node is not None:
        node = subprocess.run([place.node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        found.append(f"Peer: Node {node}, {', '.join(f'{name} {peer_version(name)}' for name in PEER_PACKAGES)}.")
    return found


def peer_version(name: str) -> str:
    """The version of a package that the peer runs with."""
    manifest = (PEER / "node_modules" / name / "package.json").read_text()
    return manifest.split('"version": "', 1)[1].split('"', 1)[0]


def processor() -> str:
    """The kind of processor, as Linux names it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def memory_gb() -> int:
    """Main memory, in GB."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3)


def page(rows: list[Row], place: Stand, failed: list[str]) -> str:
    """The whole of RESULTS.md."""
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    preface = (
        f"Written by `make bench` on {today}. Ratios count: absolute figures vary from machine to machine and from run "
        "to run. How each is measured stands in [README.md](README.md)."
    )
    parts = ["# Results", preface, "\n".join(f"- {line}" for line in describe(place)), tables(rows, place)]
    if place.notes or failed:
        parts.append("\n".join(f"- {line}" for line in [*place.notes, *failed]))
    return "\n\n".join(parts) + "\n"


def addition(rows: list[Row], place: Stand, chosen: list[str]) -> str:
    """What is added to RESULTS.md where some benches ran again by themselves."""
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    names = ", ".join(chosen)
    return (
        "\n\n".join((f"\n## Again, by themselves: {names}", f"On {today}, after the run above.", tables(rows, place)))
        + "\n"
    )
