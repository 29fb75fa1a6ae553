"""Every command that somebody is told to type is there to be typed: in the guides, and in what programs say."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from architecture.repository import ROOT, distributions

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+(?: [a-z-]+)*):", MAKEFILE, re.MULTILINE))
TARGETS = {target for line in TARGETS for target in line.split()}
# "make" as a verb, and not the program.
VERB = {"a", "an", "and", "it", "new", "no", "one", "somebody", "sure", "the", "them", "these", "this", "up", "what"}
NEWCOMERS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
# What a machine with Python and make has, and what the README says to have.
THERE = {"make", "curl", "git", "cd", ".ci/run", "pip", "docker"}


def advised(text: str) -> Iterator[str]:
    """Targets of make that a text names, as words that stand for themselves."""
    for found in re.finditer(r"(?:`|: |^|\n)make ((?:[a-z][a-z-]+ ?)+)", text):
        words = found[1].split()
        if words[0] not in VERB:
            yield from words if found[0].startswith("`") else words[:1]


def sources() -> list[Path]:
    found = [path for distribution in distributions() for path in distribution.modules()]
    return [*found, *sorted((ROOT / "scripts").glob("*.py"))]


def said(path: Path) -> Iterator[str]:
    """Every text that a program may show."""
    gc.disable()  # CPython 3.11's parser is not reentrant, and what is collected may print a traceback, which parses
    try:
        tree = ast.parse(path.read_text())
    finally:
        gc.enable()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_target_of_make_that_a_program_advises_exists() -> None:
    found = {(path.name, name) for path in sources() for text in said(path) for name in advised(text)}
    assert {"run", "try", "down"} <= {name for _, name in found}
    assert not {entry for entry in found if entry[1] not in TARGETS}


@pytest.mark.parametrize(
    "path", [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))], ids=lambda path: path.name
)
def test_every_target_of_make_in_a_guide_exists(path: Path) -> None:
    assert not set(advised(path.read_text())) - TARGETS


def commands(text: str) -> Iterator[str]:
    """The first word of every command in the fences of a guide that hold commands, and between backticks."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for fence in (fence for language, fence in fences if language in {"", "sh", "console"}):
        for line in fence.replace("\\\n", " ").splitlines():
            if re.match(r"[a-z.]", line):
                yield line.split()[0]
    yield from re.findall(r"`((?:uvx?|npx|pipx|\.venv/bin/[\w-]+)) ", text)


@pytest.mark.parametrize("path", NEWCOMERS, ids=lambda path: path.name)
def test_whatever_a_newcomer_is_told_to_type_is_on_their_machine(path: Path) -> None:
    """In a clone nothing of ours is on PATH: our programs are named where they lie."""
    found = set(commands(path.read_text()))
    ours = {name for name in found if name.startswith(".venv/bin/")}
    assert not {name for name in found - ours if name not in THERE}
    assert not {name for name in ours if not (Path(sys.prefix) / "bin" / Path(name).name).exists()}


def test_programs_that_run_in_a_clone_name_none_that_is_not_on_path() -> None:
    """What singr-dev says is read in a clone."""
    [dev] = [distribution for distribution in distributions() if distribution.name == "singr-dev"]
    shown = [
        text
        for path in dev.modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(text := part.value, str)
    ]
    told = [text for text in shown if re.search(r"(?:with:?|as:|anew:|^run) `?singr-[a-z]+ [a-z]", text)]
    assert told == []


def test_hooks_are_installed_by_make(tmp_path: Path) -> None:
    target = re.search(r"^hooks: .*\n\t@\$\(BIN\)/(.+)$", MAKEFILE, re.MULTILINE)
    assert target
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".pre-commit-config.yaml").write_text((ROOT / ".pre-commit-config.yaml").read_text())
    subprocess.run(
        [Path(sys.prefix) / "bin" / target[1].split()[0], *target[1].split()[1:]],
        cwd=tmp_path, check=True, capture_output=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert (tmp_path / ".git" / "hooks" / "pre-commit").exists()


def test_every_distribution_says_which_pythons_were_tried() -> None:
    tried = {"3.11", "3.12", "3.13"}
    for distribution in distributions():
        project = tomllib.loads((distribution.folder / "pyproject.toml").read_text())["project"]
        named = {found[1] for line in project["classifiers"] if (found := re.fullmatch(r".*Python :: (3\.\d+)", line))}
        assert named == tried, distribution.name
        assert project["requires-python"] == f">={min(tried, key=lambda name: int(name[2:]))}"
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(name in guide for name in tried)
