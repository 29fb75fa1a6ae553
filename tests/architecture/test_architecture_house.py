"""The house's rules that no linter knows (CONTRIBUTING.md, "How the code reads"). What fails says what to do."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from architecture.repository import ROOT, distributions, files

LINES_OF_A_FUNCTION = 40  # of its body, without its docstring
FILES_OF_A_FOLDER = 15  # about a dozen
ABOVE_THE_STORES = ("singr_jobs", "singr_auth", "singr_comms", "singr_platform", "singr_api", "singr_worker")
FIELD = re.compile(r":(?:param|returns?|rtype|raises|class|func|meth|mod|data|attr|exc|obj)\b[^:\n]*:")
IGNORE = re.compile(r"# (?:noqa|type: ignore)")
REASONED = re.compile(r"# (?:noqa: [A-Z0-9]+(?:, ?[A-Z0-9]+)*|type: ignore\[[a-z, -]+\])\s+(?:#|—|-)\s+\S")
# What callers of the API read in its document: it says the same until the contract changes.
PUBLISHED = " ".join((ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8").split())


@dataclass(frozen=True)
class Source:
    """One file, parsed once."""

    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))


Rule = Callable[[Source], Iterator[str]]


def functions(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > LINES_OF_A_FUNCTION:
                yield f"{node.lineno}: {node.name} has {lines} lines: give the second idea inside a function of its own"


def introductions(source: Source) -> Iterator[str]:
    if source.tree.body and ast.get_docstring(source.tree) is None:
        yield "1: begin with a docstring that says what this module is for"


def dialect(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
            continue
        text = node.value.value
        if not isinstance(text, str) or " ".join(text.split()) in PUBLISHED:
            continue
        if "``" in text:
            yield f"{node.lineno}: write `code` between single backticks"
        if found := FIELD.search(text):
            yield f"{node.lineno}: write sections (Args:, Returns:, Raises:) and `names`, in place of {found[0]}"


def ignores(source: Source) -> Iterator[str]:
    """One line's reason is that of the lines that go on from it."""
    reasoned = False
    for number, line in enumerate(source.text.splitlines(), 1):
        ignored = IGNORE.search(line) is not None
        reasoned = ignored and (reasoned or REASONED.search(line) is not None)
        if ignored and not reasoned:
            yield f"{number}: name the code that is ignored, and after it ( — ) why"


def commits(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            end, of = node.func.attr, ast.unparse(node.func.value)
            if end in {"commit", "rollback"} and of != "savepoint":
                yield f"{node.lineno}: leave {of}.{end}() to the edge, which opened the transaction"


RULES = (functions, introductions, dialect, ignores, commits)


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """By rule, what breaks it; each file is read once."""
    broken: dict[str, list[str]] = {rule.__name__: [] for rule in RULES}
    for distribution in distributions():
        for path in distribution.modules():
            source = Source(path.read_text(encoding="utf-8"))
            for rule in RULES:
                if rule is not commits or distribution.package in ABOVE_THE_STORES:
                    broken[rule.__name__] += [f"{path.relative_to(ROOT)}:{said}" for said in rule(source)]
    return broken


@pytest.mark.parametrize("rule", [rule.__name__ for rule in RULES])
def test_every_source_file_keeps_the_rule(found: dict[str, list[str]], rule: str) -> None:
    assert found[rule] == []


@pytest.mark.parametrize(
    ("rule", "source", "line"),
    [
        (functions, "def long():\n" + "    work()\n" * 41, "1: long has 41 lines"),
        (introductions, "work = 1\n", "1: begin with a docstring"),
        (dialect, 'def f():\n    """Takes ``x``."""\n', "2: write `code`"),
        (dialect, 'def f():\n    """As :func:`g`."""\n', "2: write sections"),
        (ignores, "work()  # noqa\n", "1: name the code"),
        (ignores, "work()  # noqa: S101\n", "1: name the code"),
        (ignores, "work()  # type: ignore[misc]\n", "1: name the code"),
        (commits, "async def f(session):\n    await session.commit()\n", "2: leave session.commit() to the edge"),
    ],
)
def test_what_breaks_a_rule_is_named(rule: Rule, source: str, line: str) -> None:
    [said] = rule(Source(source))
    assert said.startswith(line)


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (functions, 'def fine():\n    """' + "Long.\n" * 41 + '    """\n' + "    work()\n" * 40),
        (introductions, ""),
        (dialect, 'def f():\n    """Takes `x`: a number."""\n'),
        (ignores, "one()  # noqa: S101 — a reason\ntwo()  # noqa: S101\n"),
        (ignores, "work()  # type: ignore[misc] # a reason\n"),
        (commits, "async def f(savepoint):\n    await savepoint.commit()\n"),
    ],
)
def test_what_keeps_a_rule_is_left_alone(rule: Rule, source: str) -> None:
    assert list(rule(Source(source))) == []


def crowded(paths: list[Path]) -> Iterator[str]:
    counts = Counter(path.parent for path in paths if not path.name.startswith("__"))
    for folder, count in sorted(counts.items()):
        if count > FILES_OF_A_FOLDER:
            yield f"{folder}: {count} files: which of them belong together, in a folder of their own?"


def test_no_folder_is_crowded() -> None:
    modules = [
        path for distribution in distributions() for path in distribution.modules() if "versions" not in path.parts
    ]
    assert list(crowded(modules)) == []


def test_a_crowded_folder_is_seen() -> None:
    [said] = crowded([Path("room") / f"_{number}.py" for number in range(FILES_OF_A_FOLDER + 1)])
    assert said.startswith("room: 16 files")


def test_every_file_of_tests_has_a_name_of_its_own() -> None:
    tests = [path.name for path in files(".py") if path.name.startswith("test_")]
    assert [name for name, count in Counter(tests).items() if count > 1] == [], "rename one: results are told by name"
