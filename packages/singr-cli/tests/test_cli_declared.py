"""What is declared is what the API documents: its routes, their fields, and what they answer."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import yaml

from singr_cli import commands
from singr_cli._declared import Command, Group

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = yaml.load((ROOT / "docs/openapi.yaml").read_text(), Loader=yaml.CSafeLoader)


def declared() -> Iterator[Any]:
    for found in iter_modules(commands.__path__):
        group = import_module(f"singr_cli.commands.{found.name}").COMMANDS
        each = group.commands if isinstance(group, Group) else (group,) if isinstance(group, Command) else ()
        yield from (pytest.param(one, id=f"{found.name} {one.name}") for one in each)


def operation(command: Command) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][command.path][command.method.lower()]
    return found


def resolved(schema: Any) -> Any:
    while isinstance(schema, dict) and "$ref" in schema:
        place = DOCUMENT
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        schema = place
    return schema


def alternatives(schema: Any) -> Iterator[dict[str, Any]]:
    """Each object that a schema allows."""
    schema = resolved(schema)
    for word in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(word, ()):
            yield from alternatives(one)
    yield schema


def at(schema: Any, path: tuple[str, ...]) -> list[Any]:
    """What the schema says of a place within it."""
    found = [schema]
    for part in path:
        found = [
            one["properties"][part] for each in found for one in alternatives(each) if part in one.get("properties", {})
        ]
    return found


def answered(command: Command) -> Any:
    answers = operation(command)["responses"]
    good = [resolved(answers[status]) for status in sorted(answers) if status.startswith("2")]
    return {"anyOf": [one["content"]["application/json"]["schema"] for one in good]}


@pytest.mark.parametrize("command", [*declared()])
def test_every_field_is_one_that_the_route_takes(command: Command) -> None:
    taken = operation(command)
    names = {resolved(each)["name"] for each in taken.get("parameters", ()) if resolved(each)["in"] == "query"}
    body = taken.get("requestBody") and resolved(taken["requestBody"])["content"]["application/json"]["schema"]
    for field in (each for each in command.fields if each.sent):
        known = field.name in names if command.reads else bool(at(body, field.path))
        assert known, f"{command.route} takes no {field.name}"
    if command.organization == "query":
        assert "organization_id" in names, command.route
    if command.dry_run:
        assert at(body, (command.dry_run,)), command.route
    if command.every:
        method, path = command.every.split(" ")
        parameters = DOCUMENT["paths"][path][method.lower()].get("parameters", ())
        assert names <= {resolved(each)["name"] for each in parameters}, command.every


@pytest.mark.parametrize("command", [*declared()])
def test_a_command_takes_an_idempotency_key_where_its_route_does(command: Command) -> None:
    names = {resolved(each)["name"] for each in operation(command).get("parameters", ())}
    assert command.keyed == ("Idempotency-Key" in names), command.route


@pytest.mark.parametrize("command", [*declared()])
def test_the_words_that_a_field_takes_are_the_apis(command: Command) -> None:
    taken = operation(command)
    parameters = {resolved(each)["name"]: resolved(each)["schema"] for each in taken.get("parameters", ())}
    body = taken.get("requestBody") and resolved(taken["requestBody"])["content"]["application/json"]["schema"]
    for field in (each for each in command.fields if each.sent and each.choices):
        places = [parameters[field.name]] if command.reads else at(body, field.path)
        words = {word for place in places for one in alternatives(place) for word in one.get("enum", ())}
        assert words - {None} == set(field.choices), f"{command.route}: {field.name}"


@pytest.mark.parametrize("command", [*declared()])
def test_every_column_is_one_that_the_route_answers(command: Command) -> None:
    if command.columns:
        [items] = at(answered(command), ("items",))
        [item] = [one["items"] for one in alternatives(items) if "items" in one]
        missing = [column for column in command.columns if not at(item, tuple(column.split(".")))]
        assert missing == [], command.route
    for part, columns in command.parts:
        lists = at(answered(command), (part,))
        assert lists, f"{command.route} answers no {part}"
        [row] = [one["items"] for place in lists for one in alternatives(place) if "items" in one]
        assert [column for column in columns if not at(row, tuple(column.split(".")))] == [], command.route
