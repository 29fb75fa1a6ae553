"""Each distribution is complete on its own: typed, documented, curated, and honest about what it needs."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from architecture.repository import ROOT, Distribution, distributions, imports

ALL = [pytest.param(each, id=each.name) for each in distributions()]
SIBLINGS = {each.name: each for each in distributions()}
# What comes as a part of another package, under a name of its own.
PARTS = {"psycopg-pool": "psycopg", "botocore": "boto3"}
MAX_LINES = 400
MAX_LINES_OF_TESTS = 600  # a list of cases may be long


@pytest.mark.parametrize("distribution", ALL)
def test_it_ships_its_types_a_readme_and_a_changelog(distribution: Distribution) -> None:
    version = distribution.manifest["project"]["version"]
    assert (distribution.source / "py.typed").is_file()
    assert f"# {distribution.name}" in (distribution.folder / "README.md").read_text()
    changelog = (distribution.folder / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[{re.escape(str(version))}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE)


def test_changelogs_have_each_heading_once_a_version() -> None:
    for path in (ROOT / "CHANGELOG.md", *(each.folder / "CHANGELOG.md" for each in distributions())):
        for version in path.read_text().split("\n## ")[1:]:
            headings = re.findall(r"^### .+$", version, re.MULTILINE)
            assert len(headings) == len(set(headings)), f"{path}: {version.splitlines()[0]}: {headings}"


@pytest.mark.parametrize("distribution", ALL)
def test_it_curates_what_it_offers(distribution: Distribution) -> None:
    package = importlib.import_module(distribution.package)
    assert package.__doc__
    offered = package.__all__
    assert len(offered) == len(set(offered))
    assert [name for name in offered if not hasattr(package, name)] == []


@pytest.mark.parametrize("distribution", ALL)
def test_its_manifest_is_complete_and_keeps_it_private(distribution: Distribution) -> None:
    project = distribution.manifest["project"]
    assert project["version"] == "0.1.0"
    assert project["requires-python"] == ">=3.11"
    assert project["readme"] == "README.md"
    assert str(project["description"]).endswith(".")
    assert {"Private :: Do Not Upload", "Typing :: Typed"} <= set(project["classifiers"])  # type: ignore[call-overload] # TOML has no types
    assert not [line for line in requirements(distribution) if "@" in line], "a direct address is no requirement"


def requirements(distribution: Distribution) -> list[str]:
    project = distribution.manifest["project"]
    extras = project.get("optional-dependencies", {})
    assert isinstance(extras, dict)
    return [*project["dependencies"], *(line for extra in extras.values() for line in extra)]  # type: ignore[misc] # as above


def stack(distribution: Distribution) -> set[str]:
    """Names of all that the distribution declares, itself or through a sibling whose interface shows it."""
    found: set[str] = set()
    for line in requirements(distribution):
        name = re.split(r"[\[<>=;~! ]", line, maxsplit=1)[0].lower().replace("_", "-")
        found.add(name)
        if name in SIBLINGS and name != distribution.name:  # an extra may name another extra of its own
            found |= stack(SIBLINGS[name])
    return found


def declared(distribution: Distribution) -> set[str]:
    """Names to import that this stack brings."""
    names = stack(distribution)
    names |= {part for part, whole in PARTS.items() if whole in names}
    brought = {
        module
        for module, owners in packages_distributions().items()
        if names & {owner.lower().replace("_", "-") for owner in owners}
    }
    return brought | {name.replace("-", "_") for name in names}


# Loaded by pytest and its plugin for parallel runs, which are there then.
LOADED_BY_PYTEST = {"pytest_plugin.py", "_absent.py", "_cost.py", "_kept.py", "_order.py", "_scheduler.py"}


def undeclared(distribution: Distribution) -> list[str]:
    known = declared(distribution) | {distribution.package} | set(sys.stdlib_module_names)
    return [
        f"{path.relative_to(distribution.folder)}:{line}: {name}"
        for path in distribution.modules()
        if path.name not in LOADED_BY_PYTEST
        for line, name in imports(path.read_text(), for_types=False)
        if name.split(".")[0] not in known
    ]


@pytest.mark.parametrize("distribution", ALL)
def test_it_declares_whatever_it_imports(distribution: Distribution) -> None:
    assert undeclared(distribution) == []


def test_an_undeclared_import_is_seen(tmp_path: Path) -> None:
    source = tmp_path / "src" / "singr_sample"
    source.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "singr-sample"\ndependencies = ["msgspec>=0.22"]\n')
    (source / "__init__.py").write_text("import json\nimport msgspec\nimport httpx\n")
    assert undeclared(Distribution(tmp_path)) == ["src/singr_sample/__init__.py:3: httpx"]


def loads_at_import(source: str) -> list[int]:
    """Lines at module level that call something known to start, read or connect."""
    starters = {"load_settings", "Database", "RedisBroker", "create_async_engine", "redis_client", "configure_logging"}
    calls = []
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(statement, ast.If) and "__main__" in ast.dump(statement.test):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                calls.extend([node.lineno] if name in starters else [])
    return calls


@pytest.mark.parametrize("distribution", ALL)
def test_importing_it_starts_nothing(distribution: Distribution) -> None:
    started = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in distribution.modules()
        for line in loads_at_import(path.read_text())
    ]
    assert started == []


def test_a_start_at_import_is_seen() -> None:
    assert loads_at_import("settings = load_settings()\ndef late():\n    return load_settings()\n") == [1]


def too_long(paths: list[Path]) -> list[str]:
    lengths = {path: len(path.read_text().splitlines()) for path in paths}
    return [
        f"{path.name}: {length} lines; is there a second idea inside?"
        for path, length in lengths.items()
        if length > (MAX_LINES_OF_TESTS if path.name.startswith("test_") else MAX_LINES)
    ]


def test_no_source_file_holds_two_ideas() -> None:
    paths = [path for distribution in distributions() for path in distribution.folder.rglob("*.py")]
    paths += [path for folder in ("bench", "scripts", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert too_long(paths) == []


def test_a_file_that_is_too_long_is_seen(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("value = 1\n" * (MAX_LINES + 1))
    (tmp_path / "test_long.py").write_text("value = 1\n" * (MAX_LINES_OF_TESTS + 1))
    (tmp_path / "fine.py").write_text("value = 1\n" * MAX_LINES)
    found = [row.split(":")[0] for row in too_long(sorted(tmp_path.iterdir()))]
    assert found == ["long.py", "test_long.py"]
