"""docs/RELIABILITY.md, written from the tables."""

from __future__ import annotations

from architecture.repository import ROOT
from broken.breakage import Row
from broken.breakages import BREAKAGES
from broken.rows import ROWS

DOCUMENT = ROOT / "docs/RELIABILITY.md"

HEAD = """\
# What is promised, and the test that holds each promise

Each row is a promise about failures (R) or attacks (S), kept by tests against real PostgreSQL and a real
Redis-compatible server. Those in `tests/` start Singr's own processes, and stop, freeze or kill them, but for R27, R28
and R30, which turn days into years or choose who meets whom, and so run its parts within the test, as most tests of
packages and apps do. A short form runs in `make test`; the full form, larger or longer, in `make faults` (R) and
`make security` (S).

A test counts only once it was seen to fail. `make broken` breaks a copy of Singr on purpose, in each way listed under
[Broken on purpose](#broken-on-purpose), and demands that the row's test fails and gives the expected reason; the
same test must pass in an unbroken copy first. It checks that the copy's code is what ran, in child processes too.
`make broken ARGS="R5"` does so for one row, `make broken ARGS=--list` lists the breakages.

## Rows

| row | promise | tests (path::name) | full form |
|---|---|---|---|
"""

BROKEN = """
## Broken on purpose

| row | what was broken | what the broken build did | noticed by |
|---|---|---|---|
"""

TAIL = """
## Add a row or a breakage

Rows are listed in `tests/broken/rows*.py`, breakages in the files beside them: a file, text
that stands in it exactly once, what takes its place, the test that must fail, and words that its failure must hold.
Then `make broken ARGS="<name>"`, and `make broken ARGS=--document` writes this page. A test in `tests/architecture`
sees to it that every breakage still fits the code and that every test named here exists.
"""


def document() -> str:
    """The whole page."""
    rows = "".join(f"| {row.name} | {row.promise} | {_tests(row)} | `{row.command}` |\n" for row in ROWS)
    broken = "".join(
        f"| {one.row} | {one.breaks} | {one.did[0].upper()}{one.did[1:]} | `{_name(one.test)}` |\n" for one in BREAKAGES
    )
    return HEAD + rows + BROKEN + broken + TAIL


def _tests(row: Row) -> str:
    names = dict.fromkeys(test.partition("[")[0] for test in (*row.short, *row.full))
    return "<br>".join(f"`{name}`" for name in names)


def _name(test: str) -> str:
    return test.rpartition("::")[2]
