"""What is committed says nothing of the machine or the package index it was made with."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest
from architecture.repository import ROOT, files

# Put together here, so that this file does not hold what it looks for.
REGISTRIES = ["pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org", "ghcr" + ".io", "docker" + ".io"]
FOLDERS = ("work", "farm", "tmp/singr", r"Users/\w+", r"home/(?!singr)\w+")
MACHINE_PATHS = [*(rf"(?<![\w.}}-])/{name}/" for name in FOLDERS), "file:" + "///(?!path)"]
FORBIDDEN = re.compile("|".join([re.escape(host) for host in REGISTRIES] + MACHINE_PATHS))


def traces(text: str) -> list[str]:
    return [match.group() for match in FORBIDDEN.finditer(text)]


def test_no_tracked_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found: list[str] = []
    for path in files():
        data = path.read_bytes()
        if b"\0" not in data:
            found.extend(f"{path.relative_to(ROOT)}: {trace}" for trace in traces(data.decode()))
    assert found == []


@pytest.mark.parametrize(
    "text",
    ["https://pypi" + ".org/simple", " /wo" + "rk/main", '"/home' + '/jane/x"', "file:" + "///srv/wheels"],
)
def test_a_trace_is_seen(text: str) -> None:
    assert traces(text)


@pytest.mark.parametrize(
    "text", ["packages/work/x", "https://example.org/work/", "postgresql:///singr", "./work/x", "{API}/work/x"]
)
def test_an_innocent_path_is_left_alone(text: str) -> None:
    assert traces(text) == []


def test_the_machine_bound_lock_is_not_committed() -> None:
    tracked = subprocess.run(["git", "ls-files", "uv.lock"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert tracked.stdout == ""


def test_the_resolution_is_dated_and_the_committed_pins_carry_hashes() -> None:
    assert "exclude-newer" in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
    pins = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text().strip())
    assert len(pins) > 30
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []
    assert [pin for pin in pins if pin.startswith(("singr", "--", "-"))] == []


def test_every_line_of_the_list_of_slow_tests_names_tests_that_are_there_and_a_reason() -> None:
    lines = (ROOT / "tests/slow.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if not line.startswith("#"):
            name, _, reason = line.partition("  ")
            path, _, test = name.partition("::")
            assert reason.strip(), line
            assert (ROOT / path).exists(), line
            assert f"def {test.partition('[')[0]}" in (ROOT / path).read_text() if test else True, line
