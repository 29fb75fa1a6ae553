"""What is to be written, and writing it: all of it, or nothing."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Final

from scripts.new._edits import Edit, NoPlaceError

TEMPLATES: Final = Path(__file__).parent / "templates"
API: Final = "apps/api/src/singr_api"
COMMS: Final = "packages/singr-comms/src/singr_comms"
COMMS_TESTS: Final = "packages/singr-comms/tests"


class RefusedError(Exception):
    """What was asked for cannot be written; the message says why, and what would be right."""


@dataclass(frozen=True)
class Plan:
    """New files, changed files, what is generated anew from them, and what is left to do by hand.

    Attributes:
        new: text by path, relative to the repository.
        edits: changes by path.
        run: commands of this environment's Python whose results depend on the change.
        generated: the files that those commands write.
        left: what comes next, a line each.
    """

    new: dict[str, str] = field(default_factory=dict)
    edits: dict[str, tuple[Edit, ...]] = field(default_factory=dict)
    run: tuple[tuple[str, ...], ...] = ()
    generated: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def filled(template: str, **words: str) -> str:
    """A template of this package with its words filled in."""
    return Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)


def unused(root: Path, name: str, path: str) -> None:
    """Refuse a name that a file uses already.

    Raises:
        RefusedError: It does.
    """
    if re.search(rf"\b{name}\b", (root / path).read_text(encoding="utf-8")):
        raise RefusedError(f"{path} uses the name {name} already: choose another")


def apart(source: str, name: str) -> str:
    """The source of a module, in which the name of its class stands for nothing else.

    Raises:
        RefusedError: It imports that name.
    """
    if re.search(rf"^from \S+ import .*\b{name}\b", source, re.MULTILINE):
        raise RefusedError(f"its class would be called {name}, which the module imports: choose another name")
    return source


def camel(name: str) -> str:
    """`venue_approved` as `VenueApproved`."""
    return "".join(part.capitalize() for part in name.split("_"))


def title(name: str) -> str:
    """`venue_approved` as `Venue approved`."""
    return name.replace("_", " ").capitalize()


def carry_out(plan: Plan, root: Path) -> None:
    """Write everything, put it in order, and generate anew what depends on it.

    Raises:
        RefusedError: A file is there already, or one that is to be changed does not have the form that this needs, or a
            command failed. Nothing has changed then.
    """
    for path in plan.new:
        if (root / path).exists():
            raise RefusedError(f"{path} is there already: choose another name, or change that file")
    changed = {path: _changed(root, path, edits) for path, edits in plan.edits.items()}
    before = {path: (root / path).read_bytes() for path in (*changed, *plan.generated)}
    folders = _new_folders(root, plan.new)
    try:
        for path, text in (plan.new | changed).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        python = [path for path in (*plan.new, *changed) if path.endswith(".py")]
        _run(root, ["ruff", "check", "--quiet", "--fix", "--select", "I,RUF022", *python])
        _run(root, ["ruff", "format", "--quiet", *python])
        for command in plan.run:
            _run(root, [sys.executable, *command])
    except BaseException:
        for path in plan.new:
            (root / path).unlink(missing_ok=True)
        for folder in folders:
            if folder.is_dir():
                folder.rmdir()
        for path, content in before.items():
            (root / path).write_bytes(content)
        raise


def _changed(root: Path, path: str, edits: Iterable[Edit]) -> str:
    try:
        text = (root / path).read_text(encoding="utf-8")
        for edit in edits:
            text = edit(text)
    except (OSError, SyntaxError, NoPlaceError) as error:
        raise RefusedError(
            f"{path} cannot be changed by itself ({error}): do it by hand, as CONTRIBUTING says"
        ) from None
    return text


def _new_folders(root: Path, paths: Iterable[str]) -> list[Path]:
    """The folders that are to be made, the innermost first."""
    found = {parent for path in paths for parent in (root / path).parents if not parent.exists()}
    return sorted(found, key=lambda folder: -len(folder.parts))


def _run(root: Path, command: Sequence[str]) -> None:
    """Run a command over the code in `root`, wherever the installed packages come from."""
    sources = sorted(str(path) for parent in ("packages", "apps") for path in (root / parent).glob("*/src"))
    tools = str(Path(sys.executable).parent)
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join(sources),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.pathsep.join((tools, os.environ.get("PATH", ""))),
    }
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - commands of this file
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise RefusedError(f"{' '.join(command[:3])} failed, so nothing was changed:\n{said}")
