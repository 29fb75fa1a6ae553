"""What the options of jobs, queues and workers may be, written once for all who take them.

Each check raises ValueError, naming the field and what would be right; whoever takes the option may make another error
of it.
"""

import inspect
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from types import UnionType
from typing import Any, Final, TypeVar
from uuid import UUID

from singr_jobs._plain import shown, storable

Choice = TypeVar("Choice", bound=StrEnum)

LONGEST_KEY: Final = 255
LONGEST_REFERENCE: Final = 200
LONGEST_LABEL: Final = 64
MOST_LABELS: Final = 10
_LINE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def check_whole(field: str, value: object, *, least: int, most: int | None = None) -> None:
    """Whole numbers alone: no truth values, and none with a fraction."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):  # type: ignore[operator]  # a number by then
        limits = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{field} must be {limits}, a whole number, not {shown(value)}")


def number(value: object) -> float:
    """What is none becomes one that no limit admits."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def check_seconds(field: str, value: object, *, most: float | None = None, zero: bool = False) -> None:
    """A number of seconds, no `timedelta`: above 0, or from it, finite and at most as given."""
    seconds = number(value)
    if not (0 <= seconds < math.inf) or (seconds == 0 and not zero) or (most is not None and seconds > most):
        least = "at least 0" if zero else "above 0"
        limits = f"{least} seconds" if most is None else f"{least} and at most {most:.0f} seconds"
        raise ValueError(f"{field} must be {limits}, as a number, not {shown(value)}")


def check_kind(field: str, value: object, kind: type | UnionType, right: str) -> None:
    """An object of that type, called `right` in words."""
    if not isinstance(value, kind):
        raise ValueError(f"{field} must be {right}, not {shown(value)}")  # noqa: TRY004 - see above


def check_moment(field: str, value: Any) -> None:
    """A time with its zone, of which UTC knows, too."""
    check_kind(field, value, datetime, "a datetime with its time zone: datetime.now(UTC) + timedelta(…)")
    if value.utcoffset() is None:
        raise ValueError(f"{field} needs a time zone: datetime.now(UTC) + timedelta(…), not a naive time")
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{field} must lie in the years 1 to 9999 in UTC too, not at {value.isoformat()}") from None


def check_moments(where: object, *fields: str, within: str = "") -> None:
    """Times that a filter may leave out; raises for the first that is none, by its name `within` what is asked."""
    for field in fields:
        value = getattr(where, field)
        if value is not None:
            check_moment(f"{within}{field}", value)


def check_choice(field: str, value: object, kind: type[Choice]) -> Choice:
    """One of a few words; answers which."""
    try:
        return kind(value)  # type: ignore[arg-type]  # what is none is refused
    except ValueError:
        raise ValueError(f"{field} must be one of {', '.join(kind)}, not {shown(value)}") from None


def check_texts(where: object, *fields: str, within: str = "") -> None:
    """Texts that a filter may leave out, and that a table can hold."""
    for field in fields:
        value = getattr(where, field)
        if value is not None:
            check_kind(f"{within}{field}", value, str, "a text")
            if not storable(value):
                raise ValueError(f"{within}{field} must be without NUL and halves of characters, not {shown(value)}")


def check_id(field: str, value: object) -> None:
    """An id, where a filter has one."""
    if value is not None:
        check_kind(field, value, UUID, "a UUID")


def check_key(value: object) -> None:
    """A unique key, which is not told: it may name somebody."""
    check_kind("unique_key", value, str, "a text")
    if not (1 <= len(value) <= LONGEST_KEY and storable(value)):  # type: ignore[arg-type]  # a text by then
        raise ValueError(f"unique_key must be 1 to {LONGEST_KEY} characters long, without NUL and halves of characters")


def check_reference(value: object) -> None:
    """What the caller calls the matter: one line, without what steers a terminal or turns it round."""
    check_kind("reference", value, str, "a text")
    if not (1 <= len(value) <= LONGEST_REFERENCE and _LINE.fullmatch(value)):  # type: ignore[arg-type,call-overload]  # a text by then
        words = f"reference must be one line of 1 to {LONGEST_REFERENCE} characters, without control characters"
        raise ValueError(f"{words}, not {shown(value)}")


def checked_labels(value: object, field: str = "labels") -> tuple[str, ...] | None:
    """The labels of a job, in their order: several texts of one line each, none of them twice; None for none."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{field} must be a list of texts, such as ['import', 'eu'], not {shown(value)}")  # noqa: TRY004 - see above
    labels = tuple(value)
    if len(labels) > MOST_LABELS:
        raise ValueError(f"{field} must be {MOST_LABELS} at most, not {len(labels)}")
    for place, label in enumerate(labels):
        check_kind(f"{field}[{place}]", label, str, "a text")
        if not (1 <= len(label) <= LONGEST_LABEL and _LINE.fullmatch(label)):
            words = f"must be one line of 1 to {LONGEST_LABEL} characters, without control characters"
            raise ValueError(f"{field}[{place}] {words}, not {shown(label)}")
        if label in labels[:place]:
            raise ValueError(f"{field}[{place}] must be another than those before it, not {shown(label)} once more")
    return labels or None


def check_handler(function: Any) -> None:
    """A function of two arguments, async or plain."""
    called = function if inspect.isroutine(function) else getattr(type(function), "__call__", None)  # noqa: B004 - what a call runs
    is_generator = inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called)
    if not callable(function) or isinstance(function, type) or is_generator:
        raise ValueError("the handler must be a function, async or plain, without yield")
    try:
        signature = inspect.signature(function)
    except ValueError:  # some of those written in C do not tell
        return
    try:
        signature.bind(object(), object())
    except TypeError:
        raise ValueError(f"the handler must take two arguments, the job and its context, not {signature}") from None


def check_types(field: str, value: object) -> None:
    """A tuple of types."""
    right = f"a tuple of types, such as {field}=(Mailer,)"
    check_kind(field, value, tuple, right)
    for one in value:  # type: ignore[attr-defined]  # a tuple by then
        check_kind(field, one, type, right)
