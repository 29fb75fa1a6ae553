"""Declarations as commands of Typer: each option once, whatever command it belongs to."""

import inspect
import keyword
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import typer

from singr_cli._declared import Command, Field, Group
from singr_cli._output import FORMATS
from singr_cli._running import Run, carry_out

_TYPES: Final[dict[str, Any]] = {
    **dict.fromkeys(("text", "json", "value"), str),
    "integer": int,
    "number": float,
    "flag": bool,
    "texts": list[str],
}
_FORMAT: Final = Field("output", "table (on a terminal), json, jsonl (elsewhere), csv.", choices=FORMATS)
_COMMON: Final = (
    Field("profile", "The profile to use, in place of the environment's or the one in use."),
    Field("timeout", "Seconds for one answer; 15 unless told, 30 of what changes something.", kind="number"),
)
_ORGANIZATION: Final = Field("organization", "Whose: where the credential is the platform's.")
_PAGES: Final = (
    Field("limit", "How many, at most; 50 unless told.", kind="integer"),
    Field("all", "All there are.", kind="flag"),
)
_WATCH: Final = (
    Field("watch", "Again and again, until Ctrl-C.", kind="flag"),
    Field("every", "Seconds between two looks; 2 unless told.", kind="number"),
)
_FILE: Final = Field("file", "The whole as JSON from a file, or - for standard input; options go before it.")
_DRY: Final = Field("dry_run", "Do nothing, and show what would be done.", kind="flag")
_KEY: Final = Field("idempotency_key", "Of a request that was not answered: its key, so that it is not done twice.")
_YES: Final = Field("yes", "Do it without asking.", kind="flag")


def add(app: typer.Typer, name: str, found: Group | Command | typer.Typer) -> None:
    """Add what a file of `commands/` declares: a group, one command, or what Typer reads itself."""
    if isinstance(found, Command):
        app.command(name, help=found.help)(_function(found))
        return
    if isinstance(found, Group):
        group = typer.Typer(help=found.help, no_args_is_help=True, rich_markup_mode=None)
        for command in found.commands:
            group.command(command.name, help=command.help)(_function(command))
        found = group
    app.add_typer(found, name=name)


def _function(command: Command) -> Callable[..., None]:
    """Return what Typer reads: a function whose parameters are the command's."""

    def run(**told: Any) -> None:
        try:
            code = carry_out(Run(command, {name.removesuffix("_"): value for name, value in told.items()}))
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read has gone (`| head`): nothing is wrong, and nobody hears more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        raise typer.Exit(int(code))

    run.__signature__ = inspect.Signature(list(_parameters(command)))  # type: ignore[attr-defined] # what inspect.signature returns
    run.__annotations__ = {}
    return run


def _parameters(command: Command) -> Iterator[inspect.Parameter]:
    if command.parameter:
        name = command.parameter.upper()
        several, told = ("", "Which.") if command.lists else ("…", "Which; - reads names from standard input.")
        if command.every:
            named = typer.Argument(default=None, metavar=name + several, help=f"{told} All, unless told.")
            yield _parameter("ids", list[str] | None, named)
        else:
            form = typer.Argument(metavar=name + several, help=told)
            yield _parameter("ids", str if command.lists else list[str], form)
    for field in _fields(command):
        kind: Any = Literal.__getitem__(field.choices) if field.choices else _TYPES[field.kind]
        if field.argument:
            yield _parameter(
                field.name,
                kind | None,
                typer.Argument(default=None, metavar=field.option, help=field.help, show_default=False),
            )
        else:
            form = typer.Option(field.default, field.option, help=field.help, show_default=False)
            yield _parameter(field.name, kind | None, form)


def _fields(command: Command) -> Iterator[Field]:
    yield from command.fields
    if command.from_file:
        yield _FILE
    if command.lists and command.paged:
        yield from _PAGES
    if command.reads and command.carry is None:
        yield from _WATCH
    if not command.reads:
        yield _DRY
    if command.keyed:
        yield _KEY
    if command.asks:
        yield _YES
    if command.organization != "none":
        yield _ORGANIZATION
    yield _FORMAT
    yield from _COMMON


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    name = f"{name}_" if keyword.iskeyword(name) else name  # `from`
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
