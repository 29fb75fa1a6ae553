"""The recipes of CONTRIBUTING.md, read from its text and followed on a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from architecture.repository import ROOT
from broken.copies import copy_tree, source_folders

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
SECTIONS: dict[str, str] = dict(re.findall(r"^## Add a (\w+).*?\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL))
CONFIG = "import sys; from singr_config._cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True)
class Recipe:
    """One recipe: how it is followed, and which tests it touches.

    Attributes:
        follow: does in a copy what the recipe says.
        files: where the tests are that see what was added.
        touched: which of them do, as a word of the expression for pytest's `-k`.
        suites: every suite that could trip over it.
    """

    follow: Callable[[Copy], None]
    files: tuple[str, ...]
    touched: str
    suites: tuple[str, ...]


class Copy:
    """A copy of the repository, and the tools of this environment run in it, over its own code."""

    def __init__(self, folder: Path) -> None:
        self.folder = copy_tree(folder)
        (folder / ".uv").symlink_to(ROOT / ".uv")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment, such as `ruff` or `python`."""
        tool = str(Path(sys.executable).with_name(command[0]))
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environ |= {
            "PYTHONPATH": os.pathsep.join(map(str, source_folders(self.folder))),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [tool, *command[1:]], cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )

    def must(self, *command: str) -> None:
        """Run it; fail with what it says where it fails."""
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"

    def make_new(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`make new …`."""
        return self.run("python", "-m", "scripts.new", *words)

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Change one file."""
        (self.folder / path).write_text(change((self.folder / path).read_text()))

    def write(self, path: str, text: str) -> None:
        """Write one file that is not there."""
        assert not (self.folder / path).exists(), path
        (self.folder / path).write_text(text)

    @property
    def types_are_known(self) -> bool:
        """Whether `make types` has run before: mypy then checks what was added, and what depends on it, alone."""
        return (ROOT / ".mypy_cache").is_dir()

    def _know_what(self, cache: str) -> None:
        """What is not changed need not be checked anew."""
        if (ROOT / cache).is_dir() and not (self.folder / cache).exists():
            shutil.copytree(ROOT / cache, self.folder / cache)

    def check_style(self) -> None:
        """What `make lint` does."""
        self._know_what(".ruff_cache")
        self.must("ruff", "check", "--quiet")
        self.must("ruff", "format", "--quiet", "--check")
        self.must("lint-imports", "--no-cache")

    def check_types(self) -> None:
        """What `make types` does."""
        self._know_what(".mypy_cache")
        sources = [str(path.relative_to(self.folder)) for path in source_folders(self.folder)]
        self.must("mypy", *sources, "scripts", "bench", "docs/guides/examples")

    def test(self, *arguments: str, workers: int = 0) -> None:
        """Run tests of the copy; at least one has to run, and all have to pass."""
        plain = ("-q", "-p", "no:cacheprovider", "-m", "not full", "--numprocesses", str(workers))
        self.must("python", "-m", "pytest", *plain, "--rootdir", str(self.folder), *arguments)


def blocks(recipe: str, language: str) -> Sequence[str]:
    """The code of a recipe."""
    return re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[recipe], re.MULTILINE | re.DOTALL)


def commanded(recipe: str) -> Callable[[Copy], None]:
    """Follow a recipe by the command that it names."""

    def follow(copy: Copy) -> None:
        [command] = blocks(recipe, "")
        make, new, *words = command.split()
        assert (make, new) == ("make", "new")
        done = copy.make_new(*words)
        assert done.returncode == 0, done.stderr

    return follow


def add_a_setting(copy: Copy) -> None:
    field, reader = blocks("setting", "python")
    [reader_path] = re.findall(r"here in `(.*?)`", SECTIONS["setting"])
    copy.write(reader_path, reader)
    [(folder, section, file)] = re.findall(
        r"^In `(.*?)`: .*?at the end of `(\w+)` in `(\w+\.py)`", SECTIONS["setting"], re.MULTILINE | re.DOTALL
    )
    copy.edit(
        folder + file,
        lambda text: re.sub(rf"(class {section}\(.*?)(?=\n\n\n\S)", rf"\1\n{field}", text, flags=re.DOTALL),
    )
    copy.must("ruff", "format", "--quiet", folder + file)
    [row] = re.findall(r"^\| .* after changing a setting \| (.*) \|$", TEXT, re.MULTILINE)
    for command in re.findall(r"`\.venv/bin/singr-config (.*?)`", row):
        copy.must("python", "-c", CONFIG, *command.split())


def add_a_table(copy: Copy) -> None:
    model, migration = blocks("table", "python")
    model_path, migration_path = re.findall(r"`([\w/.-]+/\w*venues\.py)`", SECTIONS["table"])
    copy.write(model_path, model)
    init = str(Path(model_path).with_name("__init__.py"))
    copy.edit(init, lambda text: text.replace("from singr_db.tables._base", _EXPORT, 1))
    copy.edit(init, lambda text: text.replace("__all__ = [", '__all__ = ["Venue", ', 1))
    copy.must("ruff", "check", "--quiet", "--fix", "--select", "I,RUF022", init)
    copy.must("ruff", "format", "--quiet", init)
    head = max((copy.folder / migration_path).parent.glob("[0-9]*.py")).name[:4]
    following = f"{int(head) + 1:04}"
    copy.write(
        migration_path.replace("0042", following), migration.replace("0041", head).replace('"0042"', f'"{following}"')
    )


_EXPORT = "from singr_db.tables._venues import Venue\nfrom singr_db.tables._base"
_API, _COMMS, _DB = "apps/api/tests", "packages/singr-comms/tests", "packages/singr-db/tests"

RECIPES: Mapping[str, Recipe] = {
    "setting": Recipe(
        add_a_setting,
        ("packages/singr-config/tests/test_config_drift.py", "tests/architecture/test_architecture_environment.py"),
        "test_config_drift or read_by_something",
        ("packages/singr-config", "apps/worker/tests/test_worker_options.py", "tests/architecture"),
    ),
    "table": Recipe(
        add_a_table,
        (f"{_DB}/test_db_fence.py", f"{_DB}/test_db_migrations.py"),
        "venues or every_table or agree_to_the_last or up_down_and_up_again",
        ("packages/singr-db", "packages/singr-dev/tests/test_dev_fixtures.py", "tests/architecture"),
    ),
    "provider": Recipe(
        commanded("provider"),
        (f"{_COMMS}/test_comms_providers.py",),
        "postbox or PostboxBench",
        ("packages/singr-config", "packages/singr-comms", "packages/singr-dev", "apps/worker", "tests/architecture"),
    ),
    "template": Recipe(
        commanded("template"),
        (f"{_COMMS}/test_comms_render.py",),
        "test_comms_render",
        ("packages/singr-comms", "apps/api", "tests/architecture"),
    ),
    "job": Recipe(
        commanded("job"),
        (f"{_COMMS}/test_comms_close_venue.py",),
        "close_venue",
        ("packages/singr-comms", "packages/singr-jobs", "apps", "tests/architecture"),
    ),
    "route": Recipe(
        commanded("route"),
        (f"{_API}/test_api_venues.py", f"{_API}/test_api_policy.py"),
        "test_api_venues or in_the_table",
        ("packages/singr-config", "apps/api", "tests/architecture"),
    ),
}
