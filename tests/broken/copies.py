"""A copy of the repository whose own code runs in every process that a test starts, and a record that it did."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from architecture.repository import ROOT, files

# Longer than the longest wait of a test that fails by waiting.
TIMEOUT = 240

_HALF_WRITTEN = shutil.ignore_patterns("*.pyc.*")  # by a process that compiles meanwhile

# Python imports `sitecustomize` from its path by itself, in each process that was handed the path on.
WATCH = """
import importlib.machinery, os, sys

class Watch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0].startswith("singr_"):
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            if spec is not None and spec.origin is not None:
                try:
                    with open({record!r}, "a") as record:
                        record.write(f"{{os.getpid()}}\\t{{spec.origin}}\\n")
                except OSError:
                    pass
        return None

# Stays the first: pytest puts a finder of its own before it, for modules whose assertions it rewrites.
def stay_first(event, _args):
    if event == "import" and sys.meta_path[0] is not Watch:
        sys.meta_path[:] = [Watch, *(finder for finder in sys.meta_path if finder is not Watch)]

sys.meta_path.insert(0, Watch)
sys.addaudithook(stay_first)
"""


@dataclass(frozen=True)
class Run:
    """How a test ended in a copy.

    Attributes:
        passed: its outcome; None where pytest could not even run it.
        output: what pytest said.
        ran: for each source file of Singr, relative to the copy, whether pytest itself and whether others imported it.
        strangers: files of Singr that were imported from elsewhere than the copy.
    """

    passed: bool | None
    output: str
    ran: dict[str, tuple[bool, bool]]
    strangers: tuple[str, ...]

    def why(self) -> str:
        """The failure in one line."""
        errors = [line[2:].strip() for line in self.output.splitlines() if line.startswith("E  ")]
        return next((line for line in errors if line), "no reason given")


def copy_tree(to: Path, *, of: Path = ROOT) -> Path:
    """Copy what is under version control or new, as it is in the working tree now, and what Python has compiled of it.

    Compiled anew in each process, all that API and worker load would cost more than what most processes do. What is
    changed in a copy is compiled there, for then neither its time nor its size is the one that was compiled.
    """
    if of == ROOT:
        found = files()
        for path in found:
            target = to / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)
        for folder in {path.parent for path in found if path.suffix == ".py"}:
            if (compiled := folder / "__pycache__").is_dir():
                shutil.copytree(compiled, to / compiled.relative_to(ROOT), ignore=_HALF_WRITTEN, dirs_exist_ok=True)
    else:
        shutil.copytree(of, to, symlinks=True)
    return to


def run_test(copy: Path, test: str, scratch: Path) -> Run:
    """Run one test of the copy, with the copy's packages before those that are installed."""
    scratch.mkdir(parents=True)
    record, watch = scratch / "imports", scratch / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(WATCH.format(record=str(record)))
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", "--numprocesses", "0", "-p", "no:cacheprovider"),
            *("--timeout", str(TIMEOUT), "--tb", "short", "-q", "--rootdir", str(copy), test),
        ],
        cwd=copy,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            "PYTHONPATH": os.pathsep.join(map(str, (watch, *source_folders(copy)))),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        output, _ = process.communicate()
    ran: dict[str, tuple[bool, bool]] = {}
    strangers: set[str] = set()
    for line in record.read_text().splitlines() if record.exists() else ():
        pid, _, origin = line.partition("\t")
        path = Path(origin)
        if copy not in path.parents:
            strangers.add(origin)
            continue
        here, there = ran.get(name := str(path.relative_to(copy)), (False, False))
        own = int(pid) == process.pid
        ran[name] = (here or own, there or not own)
    passed = {0: True, 1: False}.get(process.returncode)
    return Run(passed, output, ran, tuple(sorted(strangers)))


def source_folders(root: Path) -> Sequence[Path]:
    """The folders that packages are imported from."""
    return sorted(path for parent in ("packages", "apps") for path in (root / parent).glob("*/src"))
