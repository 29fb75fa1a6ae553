"""`make test` collects once: the processes that run tests are copies of the one that did, and as if each had."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="collected once on Linux alone")

HELPERS = Path(__file__).parents[1]
PLUGIN = """
from collecting import CollectOnce

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(CollectOnce())
"""
TOY = """
import os, random, sys, threading
from pathlib import Path
import pytest

LOADED = os.getpid()
{left}

@pytest.mark.parametrize("number", range(20))
def test_toy(number, worker_id, tmp_path, capfd):
    os.write(1, b"of this test")
    assert capfd.readouterr() == ("of this test", "")
    assert os.environ["PYTEST_XDIST_WORKER"] == worker_id and tmp_path.parent.name == f"popen-{{worker_id}}"
    assert os.read(0, 1) == b"" and sys.modules["__main__"].__dict__.get("__file__") is None
    with Path(__file__).with_name(f"{{LOADED}}.{{os.getpid()}}").open("a") as file:
        file.write(f"{{random.random()}}\\n")

def test_that_ends_its_process():
    os._exit(3)
"""
# What was left, as code and in the words of the check.
LEFT = {
    "from threading import Timer; left = Timer(60, print); left.daemon = True; left.start()": "threads (Thread-1)",
    "import socket; left = socket.socket()": "an open socket:",
    "import os; left = os.pipe()": "an open pipe:",
    "import select; left = select.epoll()": "an open anon_inode:[eventpoll]",
    "import subprocess; left = subprocess.Popen(['true'])": "a process that it started",
    "left = open(__file__)": "",
}
ASK = """
import json, os, sys
import _collector
known = frozenset(_collector.open_files())
for left in json.loads(sys.argv[1]):
    if (child := os.fork()) == 0:
        exec(left, kept := {"__file__": _collector.__file__})
        print(_collector.not_to_be_shared(known), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def _run(folder: Path, *, left: str = "") -> tuple[str, dict[tuple[str, str], list[str]]]:
    """Run the toy in two processes; answers what is printed and, by who loaded and ran them, numbers made by chance."""
    (folder / "conftest.py").write_text(PLUGIN)
    (folder / "test_toy.py").write_text(TOY.format(left=left))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "xdist", "-p", "no:cacheprovider", "--rootdir", folder),
            *("--numprocesses", "2", folder),
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(HELPERS)},
        check=False,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert "1 failed, 20 passed" in said, said
    assert "crashed while running 'test_toy.py::test_that_ends_its_process'" in said
    ran = [(path, *path.name.split(".")) for path in folder.iterdir() if path.name[0].isdigit()]
    return said, {(loaded, runs): path.read_text().split() for path, loaded, runs in ran}


def test_processes_of_tests_are_copies_of_one_that_loaded_them_each_with_all_that_is_its_own(tmp_path: Path):
    said, ran = _run(tmp_path)
    assert len({loaded for loaded, _ in ran}) == 1, said
    assert len({runs for _, runs in ran}) >= 2
    assert all(loaded != runs for loaded, runs in ran), "also the one that took the place of what had ended"
    numbers = [number for each in ran.values() for number in each]
    assert len({*numbers}) == 20, "chance is not copied"


def test_where_collecting_left_what_cannot_be_copied_each_process_collects(tmp_path: Path):
    said, ran = _run(tmp_path, left=next(iter(LEFT)))
    assert "Tests are collected by each process, for collecting them left threads (Thread-1)." in said
    assert all(loaded == runs for loaded, runs in ran)


def test_what_cannot_be_copied_is_found():
    said = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps([*LEFT])],
        env={**os.environ, "PYTHONPATH": str(HELPERS / "collecting")},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for found, expected in zip(said, LEFT.values(), strict=True):
        assert found.startswith(expected) if expected else not found
