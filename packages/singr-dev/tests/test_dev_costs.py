"""What a run of tests costs is measured, bounded, and does not depend on their order."""

import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from singr_dev.testing._cost import Budget, folded
from singr_dev.testing._order import shuffled

# Budgets are lowered tenfold by it, and nothing else: what is shown is cheap to show.
_CONFTEST = """
from singr_dev.testing._cost import Budget

Budget.UNIT_TEST = 0.1
"""
_BURN = """
import subprocess, sys

import pytest

def test_cheap(): ...

@pytest.mark.parametrize("name", ["listed", "unlisted"])
def test_dear(name):
    program = "import time\\nwhile time.process_time() < 0.4: pass"
    subprocess.run([sys.executable, "-c", program], check=True)
"""
LISTED = "packages/test_burn.py::test_dear[listed]"
UNLISTED = "packages/test_burn.py::test_dear[unlisted]"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What a parallel run says with a budget and with costs: two of its tests are dear, one of them is listed."""
    folder = tmp_path_factory.mktemp("dear")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    (folder / "conftest.py").write_text(_CONFTEST)
    (folder / "packages").mkdir()
    (folder / "packages" / "test_burn.py").write_text(_BURN)
    (folder / "slow.txt").write_text(f"# known\n{LISTED}  starts a process\n")
    options = ["--budget", "slow.txt", "--costs", "2", "--numprocesses", "2"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-p", "singr_dev.pytest_plugin", *options, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
        capture_output=True,
        text=True,
    )


def test_unit_test_far_over_its_budget_is_named_and_fails_the_run_unless_it_is_listed(
    said: subprocess.CompletedProcess[str],
):
    assert said.returncode == 1, said.stdout
    assert f"{UNLISTED} (call): " in said.stdout
    assert f"{LISTED} (call): " not in said.stdout
    assert "test_cheap (call): " not in said.stdout
    assert "write it into slow.txt" in said.stdout


def test_costs_of_processes_that_tests_start_are_in_the_sum_of_a_parallel_run_and_in_the_tests(
    said: subprocess.CompletedProcess[str],
):
    *_, last = said.stdout.strip().splitlines()
    assert last.startswith("CPU-seconds: "), said.stdout
    assert int(last.split()[1]) >= 1, last  # the tests' processes have 0.8, and three load pytest
    lines = [line for line in said.stdout.splitlines() if "test_dear" in line and line.endswith("] (call)")]
    assert len(lines) == 2, said.stdout
    assert all(float(line.split()[0]) >= 0.3 for line in lines)  # 0.4 in their processes, counted in ticks


@pytest.mark.parametrize(
    ("name", "when", "seconds", "named", "ends"),
    [
        (UNLISTED, "call", 0.9, False, pytest.ExitCode.OK),
        (UNLISTED, "call", 1.2, True, pytest.ExitCode.OK),
        (UNLISTED, "call", 1.6, True, pytest.ExitCode.TESTS_FAILED),
        (LISTED, "call", 2.2, False, pytest.ExitCode.OK),
        (UNLISTED, "setup", 9.0, False, pytest.ExitCode.OK),
        (UNLISTED, "setup", 16.0, True, pytest.ExitCode.TESTS_FAILED),
        ("tests/test_whole.py::test_system", "call", 50.0, False, pytest.ExitCode.OK),
    ],
)
def test_what_is_over_its_budget_is_named_unless_it_is_listed_and_half_as_much_again_fails_the_run(
    tmp_path: Path, name: str, when: str, seconds: float, *, named: bool, ends: pytest.ExitCode
):
    (tmp_path / "slow.txt").write_text(f"# known\n{LISTED}  starts a process\n")
    budget = Budget(tmp_path / "slow.txt")
    report: Any = SimpleNamespace(nodeid=name, when=when, singr_cpu=seconds)
    budget.pytest_runtest_logreport(report)
    session: Any = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    budget.pytest_sessionfinish(session)
    lines: list[str] = []
    budget.pytest_terminal_summary(SimpleNamespace(section=lambda *_, **__: None, write_line=lines.append))
    assert any(f"{name} ({when}): {seconds}" in line for line in lines) == named
    assert session.exitstatus == ends


@pytest.mark.parametrize(
    ("outcomes", "seconds", "told"),
    [
        ("ppp", (0.01, 0.2, 0.02), {"call": 0.23}),
        ("ppp", (0.3, 0.2, 0.02), {"setup": 0.3, "call": 0.22}),
        ("ppp", (0.01, 0.2, 0.4), {"call": 0.21, "teardown": 0.4}),
        ("pfp", (0.01, 0.2, 0.02), {"setup": 0.01, "call": 0.2, "teardown": 0.02}),
        ("ppf", (0.01, 0.2, 0.02), {"setup": 0.01, "call": 0.2, "teardown": 0.02}),
        ("f-p", (0.01, 0.0, 0.02), {"setup": 0.01, "teardown": 0.02}),
    ],
)
def test_what_cost_next_to_nothing_is_told_with_the_test_that_passed(
    outcomes: str, seconds: tuple[float, ...], told: dict[str, float]
):
    reports: list[Any] = [
        SimpleNamespace(when=when, passed=outcome == "p", duration=spent, singr_cpu=spent, singr_fixtures={"a": spent})
        for when, outcome, spent in zip(("setup", "call", "teardown"), outcomes, seconds, strict=True)
        if outcome != "-"
    ]
    of_fixtures = sum(report.singr_fixtures["a"] for report in reports)
    kept: list[Any] = list(folded(reports))
    assert {report.when: report.singr_cpu for report in kept} == pytest.approx(told)
    assert sum(report.singr_fixtures["a"] for report in kept) == pytest.approx(of_fixtures)


def test_order_is_another_for_each_seed_and_the_same_for_one_with_files_whole():
    tests: list[Any] = [SimpleNamespace(nodeid=f"{file}::test_{test}") for file in "abcdef" for test in range(9)]
    orders = [[test.nodeid for test in shuffled(tests, seed)] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == [test.nodeid for test in tests]
    files = [name.split("::")[0] for name in orders[0]]
    assert len([file for file, _ in groupby(files)]) == 6
    assert files != sorted(files)
