"""The breakages of `make broken` still fit the code, and the tests that the scoreboard names are there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from architecture.repository import ROOT
from broken.breakage import Edit
from broken.breakages import BREAKAGES
from broken.document import DOCUMENT, document
from broken.rows import ROWS

EDITS = [pytest.param(edit, id=f"{one.name}-{number}") for one in BREAKAGES for number, edit in enumerate(one.edits)]


@pytest.mark.parametrize("edit", EDITS)
def test_every_breakage_still_fits_the_code_once(edit: Edit) -> None:
    assert (ROOT / edit.file).read_text().count(edit.old) == 1, f"{edit.file}:\n{edit.old}"
    assert edit.old != edit.new


@pytest.mark.parametrize("name", sorted({one.name for one in BREAKAGES if one.edits[0].file.endswith(".py")}))
def test_every_broken_build_is_python(name: str) -> None:
    """It must fail by what it does, not by a slip in how it was broken."""
    [breakage] = [one for one in BREAKAGES if one.name == name]
    texts: dict[str, str] = {}
    for edit in breakage.edits:
        texts[edit.file] = texts.get(edit.file, (ROOT / edit.file).read_text()).replace(edit.old, edit.new)
    for file, text in texts.items():
        compile(text, file, "exec")


def test_every_row_has_a_short_test_a_full_one_and_a_breakage(found_by_this_run: dict[str, bool]) -> None:
    assert {one.row for one in BREAKAGES} == {row.name for row in ROWS}
    short, full = collected(found_by_this_run)
    for row in ROWS:
        assert row.short, row.name
        assert row.full, row.name
        assert set(row.short) <= short, row.name
        assert set(row.full) <= full, row.name
        where = "tests/faults/" if row.name.startswith("R") else "tests/security/"
        assert all(test.startswith(where) for test in row.full), f"{row.command} does not run the tests of {row.name}"
    assert {one.test for one in BREAKAGES} <= short


def test_the_page_is_written_from_the_tables() -> None:
    assert DOCUMENT.read_text() == document(), "run: make broken ARGS=--document"


# Which tests there are, each with whether it is a long form.
COLLECTS = """
import sys
import pytest

class Marks:
    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        for item in items:
            print("collected", item.get_closest_marker("full") is not None, item.nodeid)

sys.exit(pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[Marks()]))
"""


def collected(found: dict[str, bool]) -> tuple[set[str], set[str]]:
    """The tests of these files: those of `make test`, and the long forms.

    Read is only what this run has not read itself, as where it is asked for a part of the tests.
    """
    files = {test.partition("::")[0] for row in ROWS for test in (*row.short, *row.full)}
    files |= {one.test.partition("::")[0] for one in BREAKAGES}
    if files - (known := {name.partition("::")[0] for name in found}):
        process = subprocess.run(
            [sys.executable, "-c", COLLECTS, *sorted(files - known)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
        said = re.findall(r"^collected (True|False) (.*)$", process.stdout, re.MULTILINE)
        found = found | {name: full == "True" for full, name in said}
    return {name for name, full in found.items() if not full}, {name for name, full in found.items() if full}
