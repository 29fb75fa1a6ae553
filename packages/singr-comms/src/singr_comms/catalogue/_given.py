"""What a caller in Python gives, held against the types by which HTTP decodes the same.

msgspec checks no constructor's arguments, so a struct may hold anything. What `held` returns is as its type has it, so
that memory and a database keep the same; what has not that form is told by its path.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from singr_comms.catalogue._filling import faults_in

# Python has these itself: a text in place of one is a fault, as are bytes in place of a text.
_OWN: Final = (bytes, bytearray, date, datetime, time, timedelta, UUID, Decimal)
_RANGES: Final = ("must be an integer of", "must be a number of")
_JSON: Final = (str, int, float, type(None), msgspec.Struct, date, time, timedelta, UUID, Decimal, Enum)
_MOST_DEEP: Final = 64
_DEEP: Final = "must not be nested more than 64 deep"


_Code: TypeAlias = Literal["malformed", "unknown_value", "out_of_range"]
# HTTP has a text there, and Python a value.
_AS_TEXT: Final = "a time with its zone (RFC 3339)"
_AS_VALUE: Final = "a time with its zone (a datetime)"


class Wrong(NamedTuple):
    """One thing that is wrong: where, what would be right, and a code of a fault of a field."""

    path: str
    message: str
    code: _Code


def held(given: Any, kind: Any, path: str = "") -> tuple[Any, tuple[Wrong, ...]]:
    """Hold a value against its type.

    Args:
        given: whatever a caller gave.
        kind: what it is to be.
        path: where it is; empty for a struct whose fields are what the caller gave.

    Returns:
        It, as its type has it; and all that is wrong with it: where anything is, it is as it was given.
    """
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and not isinstance(given, kind):
        return given, (Wrong(path, f"must be a {kind.__name__}, not {_called(given)}", "malformed"),)
    try:
        plain = _plain(given)
    except RecursionError:
        return given, (Wrong(path, _DEEP, "malformed"),)
    found = faults_in(plain, kind, path, builtin_types=_OWN) or dict(_unwritable(plain, path))
    if found:
        return given, tuple(_wrong(where.removeprefix("."), words) for where, words in found.items())
    return msgspec.convert(plain, kind, builtin_types=_OWN), ()


def not_json(given: Any, path: str, depth: int = 0) -> Iterator[Wrong]:
    """What of a value has no form in JSON, by path."""
    if depth > _MOST_DEEP:
        yield Wrong(path, _DEEP, "malformed")
    elif isinstance(given, Mapping):
        for name, value in given.items():
            if isinstance(name, str):
                yield from not_json(value, f"{path}.{name}", depth + 1)
            else:
                yield Wrong(path, f"must have names that are texts, not {_called(name)}", "malformed")
    elif isinstance(given, list | tuple):
        for place, value in enumerate(given):
            yield from not_json(value, f"{path}[{place}]", depth + 1)
    elif not isinstance(given, _JSON):
        words = "must be a string, a number, true, false, null, a list or an object"
        yield Wrong(path, f"{words}, not {_called(given)}", "malformed")


def is_name(given: Any) -> bool:
    """Whether it is text that a database can look for: what is not, nothing is called."""
    return isinstance(given, str) and not dict(_unwritable(given, ""))


def _plain(given: Any) -> Any:
    """It without structs, which msgspec takes unseen; what it knows nothing of stays, and fits no type."""
    try:
        return msgspec.to_builtins(given, builtin_types=_OWN)
    except (TypeError, ValueError):
        if isinstance(given, msgspec.Struct):
            return {one.encode_name: _plain(getattr(given, one.name)) for one in msgspec.structs.fields(given)}
        if isinstance(given, Mapping):
            return {name: _plain(value) for name, value in given.items()}
        return [_plain(one) for one in given] if isinstance(given, list | tuple) else given


def _unwritable(plain: Any, path: str) -> Iterator[tuple[str, str]]:
    """What neither JSON over HTTP nor a database can hold, though its type is right."""
    if isinstance(plain, str):
        if "\0" in plain or any("\ud800" <= one <= "\udfff" for one in plain):
            yield path, "must not contain the NUL character or half of a character"
    elif isinstance(plain, Mapping):
        for name, value in plain.items():
            yield from _unwritable(value, f"{path}.{name}")
    elif isinstance(plain, list | tuple):
        for place, value in enumerate(plain):
            yield from _unwritable(value, f"{path}[{place}]")


def _wrong(path: str, words: str) -> Wrong:
    code: _Code = "out_of_range" if words.startswith(_RANGES) else "malformed"
    return Wrong(
        path, words.replace(_AS_TEXT, _AS_VALUE), "unknown_value" if words.startswith("must be one of") else code
    )


def _called(given: Any) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
