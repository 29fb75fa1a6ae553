"""Where the database is away, each command line that needs it says so in one sentence, and what to look at."""

import argparse
import socket
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from singr_auth import _cli as auth
from singr_db import _cli as db

# By console script: how its commands are parsed and run.
CONNECTING: dict[str, tuple[argparse.ArgumentParser, Callable[[list[str]], int]]] = {
    "singr-auth": (auth._parser(), auth.main),
    "singr-db": (db._parser(), db.main),
}
# Servers wait for their database, and say so in their logs; the others ask the API, or nobody.
OTHERS = {"singr", "singr-api", "singr-config", "singr-dev", "singr-worker"}
GIVEN = {"user": "ada@example.org", "key_id": "sk_1", "name": "tickets"}


def commands(parser: argparse.ArgumentParser, before: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Each command with what it requires."""
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in nested:
        for name, command in action.choices.items():
            yield from commands(command, (*before, name))
    if not nested:
        yield [*before, *(word for action in parser._actions for word in required(action))]


def required(action: argparse.Action) -> list[str]:
    value = str(next(iter(action.choices))) if action.choices else GIVEN.get(action.dest, "")
    if action.option_strings == ["--yes"]:
        return ["--yes"]
    if action.option_strings:
        return [action.option_strings[0], value] if action.required else []
    return [] if action.nargs == "?" else [value]


ALL = [(script, command) for script, (parser, _) in CONNECTING.items() for command in commands(parser)]


def test_each_console_script_is_tried_or_needs_no_database() -> None:
    scripts = {one.name for one in entry_points(group="console_scripts") if one.value.startswith("singr_")}
    assert scripts == {*CONNECTING, *OTHERS}
    assert len(ALL) > 15


@pytest.mark.parametrize(("script", "command"), ALL, ids=lambda one: one if isinstance(one, str) else " ".join(one))
def test_command_without_a_database_says_what_to_look_at(
    script: str, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket() as closed:  # bound, and not listening
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        settings = {
            "APP_ENV": "development",
            "DATABASE_URL": f"postgresql://nobody:pw-canary@{address}/x",
            "S3_BUCKET": "singr",
            "S3_FOLDER": str(tmp_path),
            "S3_ACCESS_KEY_ID": "test",
            "S3_SECRET_ACCESS_KEY": "test-secret",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        assert CONNECTING[script][1](command) == 1
    out, said = capsys.readouterr()
    assert (out, said.count("\n")) == ("", 1)
    assert said.startswith(f"{script}: there is no connection to the database: ")
    assert "Connection refused" in said
    assert said.endswith("Look at DATABASE_URL, and whether the server runs.\n")
    assert "pw-canary" not in said
