"""docs/SPEC-STATUS.md has a row for each promise of docs/SPEC.md, and what it names is there."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from architecture.repository import ROOT

PROMISES = (ROOT / "docs/SPEC.md").read_text()
STATUS = (ROOT / "docs/SPEC-STATUS.md").read_text()
ONE = "tests/architecture/test_architecture_spec.py::test_promises_are_numbered_without_gaps"
Row = tuple[str, str, str]


def promised(text: str) -> list[str]:
    """The numbers of the promises."""
    return re.findall(r"^- \*\*(\d+\.\d+)\*\* \S", text, re.MULTILINE)


def rows(text: str) -> list[Row]:
    """Number, code and tests of each row."""
    return [
        (number, code.strip(), tests.strip())
        for number, code, tests in re.findall(r"^\| (\d+\.\d+) \|(.*?)\|(.*?)\|$", text, re.MULTILINE)
    ]


def dead(row: Row) -> list[str]:
    """What a row names and is not there, or lacks."""
    number, code, tests = row
    if code.startswith("not yet"):
        part = re.fullmatch(r"not yet: [a-z].*\S", code)
        return (
            [] if part and not tests else [f"{number}: not yet takes the part of the plan that brings it, and no test"]
        )
    named = re.findall(r"`([^`]+)`", f"{code} {tests}")
    wrong = [f"{number}: {reference}" for reference in named if not there(reference)]
    checked = [test for test in re.findall(r"`([^`]+)`", tests) if "::" in test or test.startswith("bench/")]
    if not re.search("`", code) or not checked:
        wrong.append(f"{number}: names no code or no test")
    return wrong


def there(reference: str) -> bool:
    """Whether `file` or `file::test` exists."""
    path, _, test = reference.partition("::")
    file = ROOT / path
    return file.is_file() and (not test or f"def {test}(" in file.read_text())


def gaps(numbers: Sequence[str]) -> list[str]:
    """Numbers that do not follow the one before."""
    expected, wrong = (1, 1), []
    for number in numbers:
        section, line = map(int, number.split("."))
        if (section, line) not in {expected, (expected[0] + 1, 1)}:
            wrong.append(number)
        expected = (section, line + 1)
    return wrong


def test_promises_are_numbered_without_gaps() -> None:
    assert len(promised(PROMISES)) > 100
    assert gaps(promised(PROMISES)) == []


def test_every_promise_has_one_row_and_every_row_a_promise() -> None:
    assert [number for number, _, _ in rows(STATUS)] == promised(PROMISES)


@pytest.mark.parametrize("row", rows(STATUS), ids=lambda row: row[0])
def test_what_a_row_names_is_there(row: Row) -> None:
    assert dead(row) == []


def test_a_promise_without_row_and_a_row_without_promise_are_seen() -> None:
    assert promised("- **1.1** One.\n- **1.2** Two.\n") != [number for number, _, _ in rows("| 1.1 | `a` | `b` |\n")]
    assert gaps(["1.1", "1.3", "2.1", "4.1"]) == ["1.3", "4.1"]


@pytest.mark.parametrize(
    "row",
    [
        (
            "1.1",
            "`docs/none.py`",
            "`tests/architecture/test_architecture_spec.py::test_promises_are_numbered_without_gaps`",
        ),
        ("1.1", "`docs/SPEC.md`", "`tests/architecture/test_architecture_spec.py::test_of_nothing`"),
        ("1.1", "`docs/SPEC.md`", ""),
        ("1.1", "", f"`{ONE}`"),
        ("1.1", "not yet", ""),
        ("1.1", "not yet: schedules", "`docs/SPEC.md`"),
    ],
)
def test_a_dead_reference_is_seen(row: Row) -> None:
    assert dead(row)
