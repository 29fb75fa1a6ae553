"""What msgspec says of a value that does not fit, in words for people who know neither Python nor its types."""

import re
from collections.abc import Callable
from typing import Final

import msgspec

_KINDS: Final = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "an array",
    "object": "an object",
    "uuid": "a UUID",
    "datetime": "a time with its zone (RFC 3339)",
}
_BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_UNITS: Final = {"str": "character", "array": "item", "object": "item"}
# In this order: each of msgspec's sentences fits the first that fits it.
_SENTENCES: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = (
    (re.compile(r"Expected `(\w+)` of length (>=|<=) (\d+)"), lambda found: _length(found[1], found[2], found[3])),
    (re.compile(r"Expected `(\w+)` (>=|<=|>|<) (\S+)"), lambda found: _bound(found[1], found[2], found[3])),
    (re.compile(r"Expected `datetime` with a timezone"), lambda _: "must have a time zone"),
    (re.compile(r"Invalid RFC3339"), lambda _: "must be a time with its zone (RFC 3339), such as 2026-11-22T12:00:00Z"),
    (re.compile(r"Invalid UUID"), lambda _: "must be a UUID"),
    (
        re.compile(r"Expected `([^`]+)`, got `([^`]+)`"),
        lambda found: f"must be {_kinds(found[1])}, not {_kinds(found[2])}",
    ),
    (re.compile(r"Expected `([^`]+)`"), lambda found: f"must be {_kinds(found[1])}"),
    (re.compile(r"Object missing required field `([^`]+)`"), lambda found: f"needs a value for {found[1]}"),
    (re.compile(r"Object contains unknown field `([^`]+)`"), lambda found: f"has no {found[1]}"),
    (re.compile(r"Invalid enum value"), lambda _: "must be one of the values that are documented for it"),
)


_MISFITS: Final = (
    (
        re.compile(r"Object contains unknown field `([^`]+)`"),
        "it was stored with the field {}, which is not known here",
    ),
    (
        re.compile(r"Object missing required field `([^`]+)`"),
        "it was stored without the field {}, which is required here",
    ),
)


def in_words(text: str) -> str:
    """Say what a sentence of msgspec's says (without its path); one that is not known becomes a general one."""
    for pattern, words in _SENTENCES:
        found = pattern.match(text)
        if found is not None:
            return words(found)
    return "does not have the expected form"


def misfit(error: msgspec.ValidationError) -> str:
    """Say which field of what was stored does not fit the model that is to read it, and why."""
    text, _, path = str(error).partition(" - at `$")
    where = path.rstrip("`").lstrip(".")
    for pattern, words in _MISFITS:
        if found := pattern.match(text):
            return words.format(f"{where}.{found[1]}" if where else found[1])
    return f"its field {where} {in_words(text)}" if where else f"it {in_words(text)}"


def _length(kind: str, bound: str, number: str) -> str:
    unit = _UNITS.get(kind, "item")
    return f"must have {_BOUNDS[bound]} {number} {unit}{'' if number == '1' else 's'}"


def _bound(kind: str, bound: str, number: str) -> str:
    return f"must be {_KINDS.get(kind, 'a value')} of {_BOUNDS[bound]} {number}"


def _kinds(names: str) -> str:
    return " or ".join(_KINDS.get(name, "a value of another kind") for name in names.split(" | "))
