"""A parallel run keeps together what files say belongs together."""

import os
import subprocess
import sys
from pathlib import Path

_MARK = 'pytestmark = pytest.mark.xdist_group("together")'
_TOY = """
from pathlib import Path
import pytest
{mark}

@pytest.mark.parametrize("number", range({tests}))
def test_toy(number, worker_id):
    with Path(__file__).with_suffix(f".{{worker_id}}").open("a") as file:
        file.write(f"{{number}} ")
"""


_FIXTURE = """
@pytest.fixture(scope="module", autouse=True)
def dear(): ...
"""


_ENDS = """
import os

def test_that_ends_its_process():
    os._exit(3)
"""


def _run(folder: Path) -> "subprocess.CompletedProcess[str]":
    plugins = ["-p", "xdist", "-p", "singr_dev.pytest_plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "--numprocesses", "2", "--dist", "loadgroup", str(folder)],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
        capture_output=True,
        text=True,
    )


def test_tests_of_one_group_or_of_a_file_with_a_fixture_run_in_one_process_and_others_are_spread(tmp_path: Path):
    for name in ("together", "too"):
        (tmp_path / f"test_{name}.py").write_text(_TOY.format(mark=_MARK, tests=4))
    (tmp_path / "test_shares.py").write_text(_TOY.format(mark=_FIXTURE, tests=20))
    (tmp_path / "test_spread.py").write_text(_TOY.format(mark="", tests=60))
    done = _run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    processes = {
        name: {path.suffix for path in tmp_path.glob(f"test_{name}.gw*")}
        for name in ("together", "too", "shares", "spread")
    }
    assert {name: len(found) for name, found in processes.items()} == {
        "together": 1,
        "too": 1,
        "shares": 1,
        "spread": 2,
    }
    assert processes["together"] == processes["too"], "one process begins with the groups"
    [other] = processes["spread"] - processes["together"]
    behind = (tmp_path / f"test_spread{other}").read_text().split()
    assert behind[:2] == ["59", "58"], "and the other one comes towards it from the end"


def test_test_that_ends_its_process_fails_once_and_all_others_run(tmp_path: Path):
    (tmp_path / "test_a.py").write_text(_TOY.format(mark=_MARK, tests=2))
    (tmp_path / "test_b.py").write_text(_MARK.join(("import pytest\n", "\n")) + _ENDS)
    (tmp_path / "test_c.py").write_text(_TOY.format(mark=_MARK, tests=3))
    (tmp_path / "test_d.py").write_text(_TOY.format(mark="", tests=10) + _ENDS)
    done = _run(tmp_path)
    assert "2 failed, 15 passed" in done.stdout, done.stdout + done.stderr
