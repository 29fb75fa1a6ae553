"""Break Singr on purpose, one way at a time, and show that the test of that row notices: `make broken`.

Each breakage is applied to a copy of the working tree; the copy's code runs in every process of the test, which is
checked. The test must pass in an unchanged copy, and in the changed one it must fail and give the expected reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from broken.breakage import Breakage
from broken.breakages import BREAKAGES
from broken.copies import Run, copy_tree, run_test
from broken.document import DOCUMENT, document

# Tests that meet Singr in processes of its own, not in pytest's.
OF_PROCESSES = ("tests/faults/", "tests/security/")
# It turns days into years, which no process of a site would live through.
OF_PYTEST = (
    "tests/faults/test_faults_flows.py",
    "tests/faults/test_faults_message_retention.py",
    "tests/faults/test_faults_retention.py",
    "tests/faults/test_faults_schedules.py",
)


def main() -> int:
    """Run what the command line names; 1 when a test did not notice."""
    parser = argparse.ArgumentParser(prog="broken", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="breakages or rows (all, unless told)")
    parser.add_argument("--skip-healthy", action="store_true", help="do not run the tests unbroken first")
    parser.add_argument("--list", action="store_true", help="list the breakages")
    parser.add_argument("--document", action="store_true", help="write docs/RELIABILITY.md from the tables")
    arguments = parser.parse_args()
    if arguments.document:
        DOCUMENT.write_text(document())
        return 0
    known = {name for breakage in BREAKAGES for name in (breakage.name, breakage.row)}
    if unknown := set(arguments.names) - known:
        parser.error(f"there is no breakage or row {', '.join(sorted(unknown))} (see --list)")
    chosen = [b for b in BREAKAGES if not arguments.names or {b.name, b.row} & set(arguments.names)]
    if arguments.list:
        for breakage in chosen:
            say(f"{breakage.row:4} {breakage.name:30} {breakage.breaks}")
        return 0
    with tempfile.TemporaryDirectory(prefix="singr-broken-") as folder:
        problems = check(chosen, Path(folder).resolve(), skip_healthy=arguments.skip_healthy)
    say("")
    for problem in problems:
        say(f"PROBLEM {problem}")
    say(f"{len(chosen)} breakages, {len(chosen) - len(problems)} noticed" if not problems else "not as it must be")
    return 1 if problems else 0


def check(chosen: Sequence[Breakage], folder: Path, *, skip_healthy: bool) -> list[str]:
    """Run the tests unbroken, then each broken; returns what is not as it must be."""
    healthy = copy_tree(folder / "healthy")
    problems: list[str] = []
    if not skip_healthy:
        for number, test in enumerate(dict.fromkeys(breakage.test for breakage in chosen)):
            run, seconds = timed(healthy, test, folder / f"scratch-healthy-{number}")
            say(f"{'passes' if run.passed else 'FAILS '} {seconds:5.1f} s  {test}")
            if not run.passed:
                problems.append(f"{test} does not pass unbroken: {run.why()}")
                say(run.output[-3000:])
            elif run.strangers:
                problems.append(f"{test} ran code from elsewhere: {', '.join(run.strangers)}")
    for breakage in chosen:
        copy = copy_tree(folder / breakage.name, of=healthy)
        try:
            for edit in breakage.edits:
                edit.apply(copy)
        except ValueError as error:
            problems.append(f"{breakage.row} {breakage.name}: {error}")
            continue
        run, seconds = timed(copy, breakage.test, folder / f"scratch-{breakage.name}")
        problem = verdict(breakage, run)
        say(
            f"{'NO     ' if problem else 'noticed'} {seconds:5.1f} s  {breakage.row} {breakage.name}: {run.why()[:160]}"
        )
        if problem:
            problems.append(f"{breakage.row} {breakage.name}: {problem}")
            say(f"{problem}\n{run.output[-3000:]}")
    return problems


def verdict(breakage: Breakage, run: Run) -> str | None:
    """What is wrong with how the test met the breakage; None where it noticed."""
    if run.strangers:
        return f"code from elsewhere ran: {', '.join(run.strangers)}"
    for edit in breakage.edits:
        # A migration is no module: Alembic reads it by its path, where the database is made.
        file = edit.file
        if "/_migrations/" in file:
            file = f"{file.partition('_migrations/')[0]}schema/_migrate.py"
        here, there = run.ran.get(file, (False, False))
        # The processes of a site are what is tested there; everywhere else it is pytest's own.
        elsewhere = breakage.test.startswith(OF_PROCESSES) and not breakage.test.startswith(OF_PYTEST)
        if not (there if elsewhere else here):
            return f"{edit.file} was not imported where the test works: it proves nothing"
    if run.passed is None:
        return "pytest could not run the test"
    if run.passed:
        return "the test still passes"
    if breakage.shows not in run.output:
        return f"the test fails without saying {breakage.shows!r}"
    return None


def timed(copy: Path, test: str, scratch: Path) -> tuple[Run, float]:
    """Run a test and tell how many seconds it took."""
    began = time.monotonic()
    return run_test(copy, test, scratch), time.monotonic() - began


def say(text: str) -> None:
    """One line of the report, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
