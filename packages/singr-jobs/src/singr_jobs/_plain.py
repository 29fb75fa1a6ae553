"""What handlers hand over, made fit to be stored: nothing here raises, whatever it is given."""

from datetime import timedelta
from typing import Final

LONGEST_DELAY: Final = 366 * 24 * 3600.0
"""Seconds: as far ahead as HTTP callers may ask for; what waits longer is a mistake."""

CODE_LENGTH: Final = 100
MESSAGE_LENGTH: Final = 2000


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


def plain_seconds(value: object) -> float:
    """Any object as seconds of delay, 0 to `LONGEST_DELAY`: what is no number, or below zero, is no delay."""
    try:
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)  # type: ignore[arg-type]  # what is no number raises
        return min(max(seconds, 0.0), LONGEST_DELAY) if seconds == seconds else 0.0  # noqa: PLR0124 - not a number
    except OverflowError:  # an integer past every float
        return LONGEST_DELAY
    except BaseException:  # noqa: BLE001 - as above
        return 0.0
