"""What the architecture tests read: the tracked files, the distributions and their source trees."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Distribution:
    """One distribution of the workspace: its folder and what its manifest says."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, dict[str, object]]:
        return tomllib.loads((self.folder / "pyproject.toml").read_text())

    @property
    def name(self) -> str:
        return str(self.manifest["project"]["name"])

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")

    @property
    def source(self) -> Path:
        return self.folder / "src" / self.package

    def modules(self) -> Iterator[Path]:
        yield from sorted(self.source.rglob("*.py"))


def distributions() -> list[Distribution]:
    """Every distribution of the workspace, by folder."""
    return [Distribution(path.parent) for path in sorted(ROOT.glob("*/*/pyproject.toml")) if path.parts[-3] != ".venv"]


def files(*suffixes: str) -> list[Path]:
    """Files under version control, or new and not ignored; deleted ones left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = [ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if name]
    return [path for path in found if path.is_file() and (not suffixes or path.suffix in suffixes)]


def imports(source: str, *, for_types: bool = True) -> list[tuple[int, str]]:
    """Line and full name of everything that absolute imports in `source` name, late imports included.

    Imports under `if TYPE_CHECKING:`, which never run, are left out where `for_types` is False.
    """
    found: list[tuple[int, str]] = []
    for node in _statements(ast.parse(source).body, for_types=for_types):
        if isinstance(node, ast.Import):
            found.extend((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.extend((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
    return found


def _statements(body: Iterable[ast.AST], *, for_types: bool) -> Iterator[ast.AST]:
    """All statements within these: `ast.walk` goes through each expression too, which takes five times as long."""
    for node in body:
        if not for_types and _never_runs(node):
            continue
        yield node
        for part in ("body", "handlers", "cases", "orelse", "finalbody"):
            if isinstance(within := getattr(node, part, None), list):
                yield from _statements(within, for_types=for_types)


def _never_runs(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
