"""`make bench`: every measurement in one run on one machine, printed as a table and written to RESULTS.md.

`make bench ARGS="--only ingestion"` runs one; `ARGS=--quick` runs all with tiny numbers, to see that the parts work.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import drain, imports, ingestion, observability, pickup, replay, sign_ins, tokens
from bench.harness import NONE, OURS, PEER, ROOT, THEIRS, BenchError, Row, Stand, stand

BENCHES: dict[str, Callable[[Stand], list[Row]]] = {
    "ingestion": ingestion.run,
    "jobs": drain.run,
    "pickup": pickup.run,
    "replay": replay.run,
    "observability": observability.run,
    "sign-ins": sign_ins.run,
    "tokens": tokens.run,
    "imports": imports.run,
}
RESULTS = ROOT / "bench" / "RESULTS.md"
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


def main() -> int:
    """Run what was asked for; 0 when all of it ran, with --strict only when every target was reached too."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=BENCHES, action="append", help="this bench alone (may be given again)")
    parser.add_argument("--quick", action="store_true", help="tiny numbers: shows that the parts run, measures nothing")
    parser.add_argument("--strict", action="store_true", help="a target that is missed fails the run")
    options = parser.parse_args()
    chosen = options.only or list(BENCHES)
    rows: list[Row] = []
    failed: list[str] = []
    with stand(quick=options.quick) as place:
        versions = describe(place)
        for note in place.notes:
            print(note)
        for name in chosen:
            started = time.monotonic()
            print(f"{name} ...", end=" ", flush=True)
            try:
                rows += BENCHES[name](place)
                print(f"{time.monotonic() - started:.0f} s")
            except BenchError as error:
                failed.append(f"{name}: {error}")
                print(f"failed\n{error}")
        notes = place.notes
    print("\n" + table(rows))
    missed = [row for row in rows if row.reached is False]
    if options.quick:
        print("Quick run: these are not measurements.")
        return 1 if failed else 0
    for row in missed:
        print(f"missed: {row.bench}, {row.measure}: {row.ours} ({row.ratio} x peer), target {row.target}")
    if chosen == list(BENCHES):
        RESULTS.write_text(page(rows, versions, notes, failed))
        print(f"written to {RESULTS.relative_to(ROOT)}")
    return 1 if failed or (missed and options.strict) else 0


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table that reads well in a terminal too."""
    head = ("bench", "measure", OURS, THEIRS, "ratio", "target", "reached")
    verdict = {True: "yes", False: "NO", None: NONE}
    cells = [head, *((r.bench, r.measure, r.ours, r.theirs, r.ratio, r.target, verdict[r.reached]) for r in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
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


def page(rows: list[Row], versions: list[str], notes: list[str], failed: list[str]) -> str:
    """The whole of RESULTS.md."""
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    preface = (
        f"Written by `make bench` on {today}. Ratios count: absolute figures vary from machine to machine and from run "
        "to run. How each is measured stands in [README.md](README.md)."
    )
    parts = ["# Results", preface, "\n".join(f"- {line}" for line in versions), table(rows)]
    if notes or failed:
        parts.append("\n".join(f"- {line}" for line in [*notes, *failed]))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
