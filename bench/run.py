"""`make bench`: every measurement in one run on one machine, printed as tables and written to RESULTS.md.

`make bench ARGS="--only ingestion"` runs one; `ARGS=--quick` runs all with tiny numbers, to see that the parts work.
`--only fairness --add` writes what was measured again below the results of the whole run, which stay as they are.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

from bench import rows
from bench.figures import Row
from bench.harness import ROOT, BenchError, Stand, stand
from bench.results import addition, page, tables

RESULTS = ROOT / "bench" / "RESULTS.md"
STOPPED = "stopped"


def main() -> int:
    """Run what was asked for; 0 when all of it ran, with --strict only when every target was reached too."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=rows.names(), action="append", help="this bench alone (may be given again)")
    parser.add_argument("--quick", action="store_true", help="tiny numbers: shows that the parts run, measures nothing")
    parser.add_argument("--strict", action="store_true", help="a target that is missed fails the run")
    parser.add_argument("--add", action="store_true", help="write these below the whole run in RESULTS.md")
    options = parser.parse_args()
    chosen = options.only or rows.names()
    signal.signal(signal.SIGTERM, leave)
    with stand(quick=options.quick) as place:
        for note in place.notes:
            print(note)
        found, failed = measure(place, chosen)
        missed = [row for row in found if row.target and not row.target.reached]
        print("\n" + tables(found, place))
        if options.quick:
            print("Quick run: these are not measurements.")
            return 1 if failed else 0
        for row in missed:
            print("missed: " + ", ".join(row.cells()))
        if chosen == rows.names() and STOPPED not in failed:
            RESULTS.write_text(page(found, place, failed))
            print(f"written to {RESULTS.relative_to(ROOT)}")
        elif options.add and not failed:
            RESULTS.write_text(RESULTS.read_text() + addition(found, place, chosen))
            print(f"added to {RESULTS.relative_to(ROOT)}")
    return 1 if failed or (missed and options.strict) else 0


def measure(place: Stand, chosen: list[str]) -> tuple[list[Row], list[str]]:
    """Run these benches one after the other; their rows, and what failed. Who stops it keeps what was measured."""
    found: list[Row] = []
    failed: list[str] = []
    for name in chosen:
        started = time.monotonic()
        print(f"{name} ...", end=" ", flush=True)
        try:
            found += rows.bench(name)(place)
            print(f"{time.monotonic() - started:.0f} s")
        except BenchError as error:
            failed.append(f"{name}: {error}")
            print(f"failed\n{error}")
        except SystemExit:
            print(STOPPED)
            return found, [*failed, STOPPED]
        place.forget()
    return found, failed


def leave(_signum: int, _frame: object) -> None:
    """Leave as at the end, and so leave nothing behind."""
    sys.exit(STOPPED)


if __name__ == "__main__":
    sys.exit(main())
