"""Whether what is asked for has its form, which a caller in Python may not have kept.

The form itself is declared once, by the fields of `NotificationRequest`, `Target` and `Audience`; HTTP decodes by the
same. What has none is told, and something harmless stands in its place, so that the rest can be looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from singr_comms.catalogue._filling import faults_in
from singr_comms.catalogue._given import held, not_json
from singr_comms.models._message import Message, kind_of
from singr_comms.notifying._asked import (
    MOST_NAMED,
    Audience,
    NotificationFault,
    NotificationRequest,
    PriorityName,
    Target,
)
from singr_jobs import Priority

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
        found = list(_wrong(getattr(asked, name), kind, name) if name != "type" else _type(asked.type))
        if found:
            mended[name] = instead
        faults += found
    priority = _priority(asked.priority)
    if priority is None:
        words = "must be one of high, normal, low, or a Priority"
        faults.append(NotificationFault("priority", words, "unknown_value"))
    if unsaid := list(_said(asked.data, "data")):
        faults += unsaid
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


def _type(given: Any) -> Iterator[NotificationFault]:
    if isinstance(given, type) and issubclass(given, Message):
        words = f"must be the name of a type, such as {kind_of(given)}, or a message of it, not its class"
        yield NotificationFault("type", words, "malformed")
    else:
        yield from _wrong(given, str, "type")


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
            yield from _said(given, f"{path}.data")
        else:
            yield from _wrong(given, kind, f"{path}.{name}")


@cache
def _parts() -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.type) for field in msgspec.structs.fields(Target))


def _said(given: Any, path: str) -> Iterator[NotificationFault]:
    """What is wrong with data, whatever its variables are to be."""
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        yield NotificationFault(path, _DATA, "malformed")
        return
    for one in not_json(given, path):
        yield NotificationFault(*one)


def _wrong(given: Any, kind: Any, path: str) -> Iterator[NotificationFault]:
    for one in held(given, kind, path)[1]:
        yield NotificationFault(*one)
