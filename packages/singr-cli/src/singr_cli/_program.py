"""`singr`: finds the command, runs it, and turns whatever happens into words and an exit status."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pkgutil import iter_modules
from typing import Final

import typer

from singr_cli import commands
from singr_cli._building import add
from singr_cli._errors import CliError, Code

# As shells have it for a process that SIGINT ended; Typer ends so as well.
_INTERRUPTED: Final = 130
_HELP: Final = """Jobs, schedules and whatever else Singr's HTTP API can do.

A profile (singr profile add) says where the API is and who calls it; so does the environment: SINGR_URL with
SINGR_API_KEY, or with SINGR_KEY and SINGR_SECRET.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 not there, 5 unavailable, 6 done in part, 130 Ctrl-C.
"""


def _version(told: bool) -> None:  # noqa: FBT001 — Typer's form
    if told:
        typer.echo(version("singr-cli"))
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _app(given)(given, prog_name="singr")
    except CliError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 — a command line speaks
        return error.code
    except KeyboardInterrupt:  # before Typer has it
        return _INTERRUPTED
    except RecursionError:
        print("The answer is nested too deep to be shown. Is it Singr's API?", file=sys.stderr)  # noqa: T201 — likewise
        return Code.UNAVAILABLE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Code.DONE
    return Code.DONE


def _app(given: Sequence[str]) -> typer.Typer:
    """Return the commands: those of the groups that are named, which is quicker; all, where help or completion asks."""
    app = typer.Typer(
        name="singr", help=_HELP, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    app.callback()(_root)
    files = {found.name.replace("_", "-"): found.name for found in iter_modules(commands.__path__)}
    for name in [name for name in files if name in given] or files:
        add(app, name, import_module(f"singr_cli.commands.{files[name]}").COMMANDS)
    return app


def _root(
    told: bool = typer.Option(False, "--version", is_eager=True, help="Show the version.", callback=_version),  # noqa: FBT001, FBT003 — Typer's form
) -> None:
    """Take what comes before a command."""
