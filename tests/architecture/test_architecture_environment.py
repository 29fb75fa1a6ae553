"""The environment is read in one place, so that a library takes its settings and never finds them."""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Generator

import pytest
from architecture.repository import ROOT, distributions

from singr_config import all_variables

READERS = {"singr_config", "singr_dev", "singr_cli"}  # the last is no server: it reads what its user set for it
SECTION = re.compile(r"\bsettings\.([a-z_]+)")
NAMES = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
NAMED = re.compile(rf"\b(?:dotenv|{'|'.join(NAMES)})\b")


def environment_reads(source: str) -> list[int]:
    """Lines that read or write the process environment, under whatever name `os` was imported."""
    if NAMED.search(source) is None:  # most modules need not be parsed
        return []
    tree = ast.parse(source)
    aliases = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "os"
    }
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            lines.extend([node.lineno] if node.value.id in aliases and node.attr in NAMES else [])
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "dotenv"}:
            lines.extend(node.lineno for alias in node.names if node.module == "dotenv" or alias.name in NAMES)
        if isinstance(node, ast.Import):
            lines.extend(node.lineno for alias in node.names if alias.name.split(".")[0] == "dotenv")
    return sorted(lines)


def test_only_the_configuration_reads_the_environment() -> None:
    reads = [
        f"{path.relative_to(ROOT)}:{line}"
        for distribution in distributions()
        if distribution.package not in READERS
        for path in distribution.modules()
        for line in environment_reads(path.read_text())
    ]
    assert reads == []


def test_the_configuration_is_seen_to_read_it() -> None:
    [config] = [each for each in distributions() if each.package == "singr_config"]
    assert any(environment_reads(path.read_text()) for path in config.modules())


@pytest.mark.parametrize(
    "source",
    [
        "import os\nvalue = os.environ['A']",
        "import os as system\nvalue = system.getenv('A')",
        "from os import environ",
        "from os import getenv as read",
        "def late():\n    import os\n    os.environ.setdefault('A', 'b')",
        "from dotenv import load_dotenv",
        "import dotenv",
    ],
)
def test_every_way_to_the_environment_is_seen(source: str) -> None:
    assert environment_reads(source)


def test_other_uses_of_os_are_left_alone() -> None:
    assert environment_reads("import os\nos.getpid()\nself.environ = scope.environ") == []


def attributes_read(source: str) -> set[str]:
    """Names of the attributes that a module reads."""
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


def test_every_variable_that_is_offered_is_read_by_something() -> None:
    """What nobody reads must not be offered: somebody would set it and rely on it."""
    sources = [
        path.read_text()
        for distribution in distributions()
        if distribution.package not in {"singr_config", "singr_dev"}
        for path in distribution.modules()
    ]
    handed_on = {section for source in sources for section in SECTION.findall(source)}
    # A channel's section is asked for by the channel's name.
    comms = ROOT / "packages/singr-comms/src/singr_comms"
    handed_on |= {path.stem for path in (comms / "channels").glob("[a-z]*.py")}
    read = set().union(*map(attributes_read, sources))
    # What a section works out of its own fields is read where it is declared.
    for module in (ROOT / "packages/singr-config/src/singr_config").rglob("*.py"):
        read |= set(re.findall(r"\bself\.([a-z_]+)", module.read_text()))
    # Mails and pages are given the brand, and name its parts themselves.
    for template in (*(comms / "messages").rglob("*.*"), *(comms / "rendering").rglob("*.*")):
        if template.suffix not in {".txt", ".html"}:
            continue
        read |= set(re.findall(r"\bbrand\.([a-z_]+)", template.read_text()))
    unread = [
        item.variable.name
        for item in all_variables()
        if item.path[0] not in handed_on or not set(item.path[1:]) <= read
    ]
    assert unread == []


@pytest.mark.parametrize(("ci", "outcome"), [("true", "failed"), ("", "skipped")])
def test_a_skipped_test_fails_in_continuous_integration(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    monkeypatch.setenv("CI", ci)
    skipped = pytest.TestReport("a test", ("file", 1, "a test"), {}, "skipped", "no curl is installed here", "call")
    making = reports_of(request)
    next(making)
    with pytest.raises(StopIteration) as made:
        making.send(skipped)
    assert made.value.value.outcome == outcome
    assert "no curl is installed here" in made.value.value.longreprtext


def test_no_garbage_is_collected_while_a_report_is_made(request: pytest.FixtureRequest) -> None:
    making = reports_of(request)
    next(making)
    assert not gc.isenabled()
    with pytest.raises(LookupError):
        making.throw(LookupError("it cannot be made"))
    assert gc.isenabled()


def reports_of(request: pytest.FixtureRequest) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the repository's own `conftest.py` does around the making of a report."""
    [ours] = (
        p for p in request.config.pluginmanager.get_plugins() if getattr(p, "__file__", "") == f"{ROOT}/conftest.py"
    )
    making: Generator[None, pytest.TestReport, pytest.TestReport] = ours.pytest_runtest_makereport(request.node)
    return making
