"""What handlers hand over, made fit to be stored: nothing here raises, whatever it is given."""

import math
import re
from datetime import timedelta
from typing import Final
from uuid import UUID

LONGEST_DELAY: Final = 366 * 24 * 3600.0
"""Seconds: as far ahead as HTTP callers may ask for; what waits longer is a mistake."""

CODE_LENGTH: Final = 100
MESSAGE_LENGTH: Final = 2000
_SHOWN: Final = 80
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_EXPONENT: Final = re.compile(rb"[eE][+-]?([0-9]+)")
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def plain_text(value: object, *, limit: int = MESSAGE_LENGTH) -> str:
    """Any object as text that PostgreSQL and UTF-8 can hold, at most `limit` characters.

    An object that cannot say what it is becomes a text that says so.
    """
    try:
        text = str.__getitem__(str(value), slice(limit))
        return str.encode(text, "utf-8", "replace").decode().replace("\x00", "")
    except BaseException:  # noqa: BLE001 - this is what is said of errors: it must not raise one, not even an exit
        return f"({kind_of(value)} that cannot be printed)"


def kind_of(value: object) -> str:
    """The name of an object's class; "object" where even that cannot be had."""
    try:
        name = str.__getitem__(type(value).__name__, slice(CODE_LENGTH))
        return str.encode(name, "utf-8", "replace").decode().replace("\x00", "")
    except BaseException:  # noqa: BLE001 - as above
        return "object"


def shown(value: object) -> str:
    """What was given, fit for a sentence: plain values as they are written, of others what they are."""
    try:
        if value is None or isinstance(value, str | int | float | UUID):
            return ascii(value)[:_SHOWN]
        if isinstance(value, type):
            return f"the class {ascii(value.__name__)[1:-1]}"[:_SHOWN]
    except BaseException:  # noqa: BLE001 - as above
        return kind_of(value)
    kind = kind_of(value)
    return f"an {kind}" if kind[:1] in "aeiouAEIOU" else f"a {kind}"


def holds_nul(encoded: bytes) -> bool:
    """Whether JSON has a NUL character in it, which PostgreSQL's cannot have."""
    return b"\\u0000" in encoded and _NUL.search(encoded) is not None


def stored_size(encoded: bytes, *, limit: int) -> int:
    """Bytes of JSON as PostgreSQL gives it back: it writes out the digits of numbers that have an exponent.

    What is above the limit as it stands is not looked at further.
    """
    if len(encoded) > limit:
        return len(encoded)
    numbers = _STRING.sub(b"", encoded)
    return len(encoded) + sum(map(int, _EXPONENT.findall(numbers)))


def no_number(value: object, at: str = "$") -> str | None:
    """Where something holds NaN or an infinity, which JSON has no word for and msgspec makes `null` of."""
    if isinstance(value, float):
        return None if math.isfinite(value) else at
    if isinstance(value, dict):
        inside = [(one, f"{at}.{name}") for name, one in value.items()]
    elif isinstance(value, list | tuple):
        inside = [(one, f"{at}[{place}]") for place, one in enumerate(value)]
    else:
        return None
    return next((found for one, where in inside if (found := no_number(one, where))), None)


def storable(text: str) -> bool:
    """Whether PostgreSQL and UTF-8 can hold a text as it is."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def plain_seconds(value: object) -> float:
    """Any object as seconds of delay, 0 to `LONGEST_DELAY`: what is no number, or below zero, is no delay."""
    try:
        seconds = float(value.total_seconds() if isinstance(value, timedelta) else value)  # type: ignore[arg-type]  # what is no number raises
        return min(max(seconds, 0.0), LONGEST_DELAY) if seconds == seconds else 0.0  # noqa: PLR0124 - not a number
    except OverflowError:  # an integer past every float
        return LONGEST_DELAY
    except BaseException:  # noqa: BLE001 - as above
        return 0.0
