"""What a run of tests costs is measured, bounded, and does not depend on their order."""

import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from singr_dev.testing._order import shuffled

_BURN = """
import subprocess, sys, time

def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass

def test_cheap(): ...

def test_dear():
    program = "import time\\nwhile time.process_time() < {seconds}: pass"
    subprocess.run([sys.executable, "-c", program], check=True)
"""


def burning(folder: Path, seconds: float) -> None:
    (folder / "packages" / "test_burn.py").write_text(_BURN.replace("{seconds}", str(seconds)))


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-p", "singr_dev.pytest_plugin", *options, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def dear(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    (tmp_path / "packages").mkdir()
    burning(tmp_path, 1.2)
    (tmp_path / "slow.txt").write_text("# none\n")
    return tmp_path


@pytest.mark.parametrize(("seconds", "code"), [(1.2, 0), (2.2, 1)])
def test_unit_test_over_its_budget_is_named_unless_it_is_listed_and_far_over_fails_the_run(
    dear: Path, seconds: float, code: int
):
    burning(dear, seconds)
    done = run(dear, "--budget", "slow.txt")
    assert done.returncode == code, done.stdout
    assert f"packages/test_burn.py::test_dear (call): {int(seconds)}." in done.stdout
    assert "test_cheap (" not in done.stdout
    assert "write it into slow.txt" in done.stdout
    (dear / "slow.txt").write_text("packages/test_burn.py::test_dear  starts a process\n")
    assert run(dear, "--budget", "slow.txt").returncode == 0


def test_costs_of_processes_that_tests_start_are_in_the_sum_of_a_parallel_run_and_in_the_tests(dear: Path):
    said = run(dear, "--costs", "1", "--numprocesses", "2").stdout
    *_, last = said.strip().splitlines()
    assert last.startswith("CPU-seconds: "), said
    assert int(last.split()[1]) >= 2, last  # the test's process, and three that load pytest
    [line] = [line for line in said.splitlines() if "test_dear (call)" in line]
    assert float(line.split()[0]) >= 1.0  # its process alone has 1.2, counted in ticks


def test_order_is_another_for_each_seed_and_the_same_for_one_with_files_whole():
    tests: list[Any] = [SimpleNamespace(nodeid=f"{file}::test_{test}") for file in "abcdef" for test in range(9)]
    orders = [[test.nodeid for test in shuffled(tests, seed)] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == [test.nodeid for test in tests]
    files = [name.split("::")[0] for name in orders[0]]
    assert len([file for file, _ in groupby(files)]) == 6
    assert files != sorted(files)
