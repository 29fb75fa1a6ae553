"""Whether what is asked for has its form, which a caller in Python may not have kept.

The form itself is declared once, by the fields of `NotificationRequest`, `Target` and `Audience`; HTTP decodes by the
same. What has none is told, and something harmless stands in its place, so that the rest can be looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from singr_comms.catalogue._filling import faults_in
from singr_comms.notifying._asked import (
    MOST_NAMED,
    Audience,
    NotificationFault,
    NotificationRequest,
    PriorityName,
    Target,
)
from singr_jobs import Priority

_RANGES: Final = ("must be an integer of", "must be a number of")
_WHOM: Final = f"must be a Target, 1 to {MOST_NAMED:,} of them in a list, or an Audience"
_DATA: Final = "must be an object: values by the names of variables"


class Formed(NamedTuple):
    """What was asked for, with stand-ins; what is wrong with its form; and where there are stand-ins.

    Attributes:
        asked: it, of which every part has its form.
        faults: what is wrong.
        fields: the fields, of the whole, that are not as they were given.
        places: likewise, of those who are named.
    """

    asked: NotificationRequest
    faults: tuple[NotificationFault, ...]
    fields: frozenset[str]
    places: frozenset[int]


def formed(asked: NotificationRequest) -> Formed:
    """Hold all of it against its form."""
    faults: list[NotificationFault] = []
    mended: dict[str, Any] = {}
    for name, kind, instead in _options():
        found = list(_wrong(getattr(asked, name), kind, name))
        if found:
            mended[name] = instead
        faults += found
    priority = _priority(asked.priority)
    if priority is None:
        words = "must be one of high, normal, low, or a Priority"
        faults.append(NotificationFault("priority", words, "unknown_value"))
    if not _is_data(asked.data):
        faults.append(NotificationFault("data", _DATA, "malformed"))
        mended["data"] = {}
    whom = list(_whom(asked.to))
    places = frozenset(place for place, _ in whom if place is not None)
    if any(place is None for place, _ in whom):  # nobody is known: what is asked of a group cannot be told either
        mended |= {"to": (Target(),), "per_minute": None}
        places = frozenset({0})
    elif places and not isinstance(asked.to, Audience):
        mended["to"] = tuple(Target() if place in places else one for place, one in enumerate(asked.to))
    faults += [fault for _, fault in whom]
    fields = frozenset({*mended, *(["priority"] if priority is None else [])})
    whole = replace(asked, **mended, priority=Priority.NORMAL if priority is None else priority)
    return Formed(whole, tuple(faults), fields, places)


@cache
def _options() -> tuple[tuple[str, Any, Any], ...]:
    """The fields whose types say all of their form, with what stands in for each."""
    apart = {"to", "data", "priority"}
    fields = [field for field in msgspec.structs.fields(NotificationRequest) if field.name not in apart]
    return tuple((field.name, field.type, "" if field.required else field.default) for field in fields)


def _priority(given: Any) -> Priority | None:
    """A priority, by its name too, as it has over HTTP, or by its number; None where it is none."""
    if isinstance(given, str):
        return None if faults_in(given, PriorityName, "") else Priority[given.upper()]
    is_number = isinstance(given, int) and not isinstance(given, bool)
    return Priority(given) if is_number and given in {*Priority} else None


def _whom(to: Any) -> Iterator[tuple[int | None, NotificationFault]]:
    """What is wrong with whom it is for, with the place of each who is named; None for the whole."""
    if isinstance(to, Audience):
        for fault in _wrong(to, Audience, "to"):
            yield None, fault
    elif not isinstance(to, Sequence) or isinstance(to, str | bytes):
        yield None, NotificationFault("to", _WHOM, "malformed")
    else:
        for place, one in enumerate(to):
            for fault in _target(one, f"to[{place}]"):
                yield place, fault


def _target(one: Any, path: str) -> Iterator[NotificationFault]:
    if not isinstance(one, Target):
        yield NotificationFault(path, "must be a Target", "malformed")
        return
    for name, kind in _parts():
        given = getattr(one, name)
        if given is None:
            continue
        if name == "data":
            if not _is_data(given):
                yield NotificationFault(f"{path}.data", _DATA, "malformed")
        elif name == "user_id":
            if not isinstance(given, UUID):
                yield NotificationFault(f"{path}.user_id", "must be a UUID", "malformed")
        else:
            yield from _wrong(given, kind, f"{path}.{name}")


@cache
def _parts() -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.type) for field in msgspec.structs.fields(Target))


def _is_data(given: Any) -> bool:
    return isinstance(given, Mapping) and all(isinstance(name, str) for name in given)


def _wrong(given: Any, kind: Any, path: str) -> Iterator[NotificationFault]:
    try:
        plain = msgspec.to_builtins(given)
    except (TypeError, ValueError, RecursionError):
        yield NotificationFault(path, f"must be of the documented type, not {type(given).__name__}", "malformed")
        return
    for where, words in faults_in(plain, kind, path).items():
        yield NotificationFault(where, words, _code(words))


def _code(words: str) -> str:
    if words.startswith("must be one of"):
        return "unknown_value"
    return "out_of_range" if words.startswith(_RANGES) else "malformed"
