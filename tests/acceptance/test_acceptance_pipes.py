"""`singr-config check | head -5`: each command line ends quietly once nobody reads it."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

SCRIPTS = sorted((one for one in entry_points(group="console_scripts") if one.value.startswith("singr_")), key=str)
SAYS = {"singr-config": ["check"]}  # what has more to say than its help


def run(script: EntryPoint, arguments: list[str], place: Path, *, unbuffered: bool) -> subprocess.CompletedProcess[str]:
    """Run a console script whose output nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    code = f"import sys; from {script.module} import {script.attr} as main; sys.exit(main())"
    environ = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    try:
        return subprocess.run(
            [sys.executable, *(["-u"] if unbuffered else []), "-c", code, *arguments],
            env={**environ, "APP_ENV": "test"},
            cwd=place,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda one: one.name)
def test_a_command_line_that_nobody_reads_ends_quietly(script: EntryPoint, tmp_path: Path) -> None:
    ended = run(script, SAYS.get(script.name, ["--help"]), tmp_path, unbuffered=script.name == "singr-db")
    assert (ended.stderr, ended.returncode) in {("", 0), ("", 1)}


def test_what_a_check_found_is_its_exit_code_also_where_nobody_reads_it(tmp_path: Path) -> None:
    [config] = [one for one in SCRIPTS if one.name == "singr-config"]
    (tmp_path / "old").write_text("nothing")
    ended = run(config, ["env", "--check", "old"], tmp_path, unbuffered=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("old is not up to date")
