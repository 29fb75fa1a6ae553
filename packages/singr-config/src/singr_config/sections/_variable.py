"""Declaring variables: once each, beside the field that holds the value."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec

from singr_config.constants import RateLimit
from singr_config.values._kinds import Kind
from singr_config.values._secret import Secret

ABSENT: Final = msgspec.NODEFAULT


@dataclass(frozen=True, slots=True)
class When:
    """Need a variable only while another one, or the second, has this value and, if there is one, the switch is on.

    A variable that can be set `instead` makes it needless.
    """

    variable: str
    value: str
    switch: str = ""
    instead: str = ""
    second: str = ""

    def __str__(self) -> str:
        return f"{self.variable}={self.value}" + (f" without {self.instead}" if self.instead else "")


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable, as an annotation of the field that it fills.

    The field's own default is the default. `development` is the default outside production where that differs; a
    field with no default of its own must therefore be set in production. `fallback` names an older variable that is
    read where this one is not set.
    """

    name: str
    kind: Kind
    help: str
    development: str | None = None
    needed: When | None = None
    production_note: str = ""
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class AppEnvironment:
    """Marks a field that repeats APP_ENV for libraries that see only their own section."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A variable and the place of its value: `path` is (section, …, field)."""

    path: tuple[str, ...]
    variable: Variable
    default: Any

    @property
    def default_text(self) -> str:
        """The default of production as one would write it, empty where there is none."""
        return "" if self.default is ABSENT else as_text(self.default)

    @property
    def development_text(self) -> str:
        """The default of development and test as one would write it."""
        return self.default_text if self.variable.development is None else self.variable.development

    @property
    def required_in_production(self) -> bool:
        """Whether production must set it whatever else is chosen."""
        return self.default is ABSENT


def declared(section: type[msgspec.Struct]) -> tuple[Declared, ...]:
    """All variables of a section and of the sections inside it, in the order of declaration."""
    return _once(section)


@cache
def _once(section: type[msgspec.Struct]) -> tuple[Declared, ...]:
    return tuple(_declared(section, ()))


def _declared(section: type[msgspec.Struct], path: tuple[str, ...]) -> Iterator[Declared]:
    for field in msgspec.structs.fields(section):
        where = (*path, field.name)
        inner = nested(field.type)
        if inner is not None:
            yield from _declared(inner, where)
            continue
        variable = annotation(field.type, Variable)
        if variable is not None:
            yield Declared(where, variable, field.default)


def nested(field_type: Any) -> type[msgspec.Struct] | None:
    """The section that a field holds, or None where it holds a value."""
    return field_type if isinstance(field_type, type) and issubclass(field_type, msgspec.Struct) else None


def annotation(field_type: Any, wanted: type[Any]) -> Any | None:
    """The first annotation of this type on a field."""
    if get_origin(field_type) is not Annotated:
        return None
    return next((item for item in get_args(field_type)[1:] if isinstance(item, wanted)), None)


def as_text(value: object) -> str:
    """Write a value as its variable would hold it; secrets are masked."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, RateLimit):
        return f"{value.limit}/{value.window}"
    if isinstance(value, tuple):
        return ",".join("{}={}/{}".format(*item) if isinstance(item, tuple) else as_text(item) for item in value)
    if isinstance(value, (Secret, StrEnum)):
        return str(value)
    return str(value)
