"""The command `singr-config`."""

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from dotenv import dotenv_values

from singr_config._generate import docs_table, env_example, replace_table, summary
from singr_config.loading._load import load_settings
from singr_config.loading._problems import ConfigurationError
from singr_config.pipes import reader_may_go
from singr_config.sections._settings import Settings, all_variables

_READ_BY_OTHERS = frozenset({"NODE_ENV"})


@reader_may_go
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 where something has to change."""
    parsed = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = parsed.run
    return run(parsed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="singr-config", description="Check and document Singr's configuration.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="check this environment and list everything that has to be changed")
    check.add_argument("--env-file", type=Path, default=Path(".env"), help="read in development and test [.env]")
    check.set_defaults(run=_check)
    for name, run, what in (
        ("env", _env, ".env.example"),
        ("docs", _docs, "the table of all variables"),
    ):
        command = commands.add_parser(name, help=f"print {what}")
        group = command.add_mutually_exclusive_group()
        group.add_argument("--check", type=Path, metavar="FILE", help="exit with 1 if FILE is not up to date")
        group.add_argument("--write", type=Path, metavar="FILE", help="bring FILE up to date")
        command.set_defaults(run=run)
    return parser


def _check(arguments: argparse.Namespace) -> int:
    for note in _misspelt(arguments.env_file):
        print(note, file=sys.stderr)
    try:
        settings = load_settings(env_file=arguments.env_file)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    print(summary(settings))
    problems = sorted({problem for check in _checks() for problem in check(settings)})
    if problems:
        print("\n" + "\n".join(problems), file=sys.stderr)
        return 1
    print(f"\nok: the configuration is complete for {settings.app.env}")
    return 0


def _checks() -> list[Callable[[Settings], list[str]]]:
    """What the installed packages check beyond single values, such as whether a provider can be built.

    They register it (entry points of the group `singr_config.checks`), since this package knows none of them.
    """
    return [found.load() for found in entry_points(group="singr_config.checks")]


def _misspelt(env_file: Path) -> list[str]:
    """Variables of the file that nobody reads but whose name resembles one that somebody does."""
    if not env_file.is_file():
        return []
    known = {item.variable.name for item in all_variables()} | _READ_BY_OTHERS
    notes = []
    for name in dotenv_values(env_file, interpolate=False):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if name not in known and close:
            notes.append(f"note: {env_file} sets {name}, which Singr does not read; is {close[0]} meant?")
    return notes


def _env(arguments: argparse.Namespace) -> int:
    return _print_check_or_write(arguments, env_example(), lambda _: env_example())


def _docs(arguments: argparse.Namespace) -> int:
    return _print_check_or_write(arguments, docs_table(), replace_table)


def _print_check_or_write(arguments: argparse.Namespace, text: str, renew: Callable[[str], str]) -> int:
    path: Path | None = arguments.check or arguments.write
    if path is None:
        print(text, end="" if text.endswith("\n") else "\n")
        return 0
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        new = renew(old)
    except ValueError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    if arguments.write:
        path.write_text(new, encoding="utf-8")
    elif old != new:
        print(f"{path} is not up to date: write it again with --write {path}", file=sys.stderr)
        return 1
    return 0
