"""The breakages of `make broken` still fit the code, and the tests that the scoreboard names are there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from architecture.repository import ROOT
from broken.breakage import Edit
from broken.breakages import BREAKAGES
from broken.document import DOCUMENT, document
from broken.rows import ROWS


@cache
def text_of(file: str) -> str:
    return (ROOT / file).read_text()


def test_every_breakage_still_fits_the_code_once() -> None:
    wrong = [
        f"{one.name}: {edit.file} has this {found} times, and not once:\n{edit.old}"
        for one in BREAKAGES
        for edit in one.edits
        if (found := text_of(edit.file).count(edit.old)) != 1
    ]
    assert wrong == []
    assert [one.name for one in BREAKAGES for edit in one.edits if edit.old == edit.new] == []


def is_python(text: str) -> bool:
    try:
        compile(text, "broken", "exec")
    except SyntaxError:
        return False
    return True


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with these edits; nothing where one of them does not fit it."""
    for edit in edits:
        if text.count(edit.old) != 1:
            return ""
        text = text.replace(edit.old, edit.new)
    return text


def test_every_broken_build_is_python() -> None:
    """It must fail by what it does, not by a slip in how it was broken.

    A file is compiled with as many breakages at once as do not meet, and with each alone where these are no Python.
    """
    ways: defaultdict[str, list[tuple[str, list[Edit]]]] = defaultdict(list)
    for one in BREAKAGES:
        for file in dict.fromkeys(edit.file for edit in one.edits if edit.file.endswith(".py")):
            ways[file].append((one.name, [edit for edit in one.edits if edit.file == file]))
    slips = []
    for file, broken in ways.items():
        alone = {name: edited(text_of(file), edits) for name, edits in broken}
        assert all(alone.values()), [f"{name} does not fit {file}" for name, text in alone.items() if not text]
        together: list[str] = []
        for name, edits in broken:
            for place, text in enumerate(together):
                if more := edited(text, edits):
                    together[place] = more
                    break
            else:
                together.append(alone[name])
        if not all(map(is_python, together)):
            slips += [f"{name}: {file}" for name, text in alone.items() if not is_python(text)]
    assert slips == []


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
