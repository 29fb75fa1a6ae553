"""What is said: to all who get the same, and to each who gets something else; and whether it fits its type."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final, NamedTuple

import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms.catalogue import INBOX, MessageType
from singr_comms.catalogue._filling import MISSING, faults_in
from singr_comms.channels import CHANNELS
from singr_comms.models._message import Message, checked
from singr_comms.notifying._asked import (
    MOST_BYTES,
    MOST_NAMED,
    Audience,
    NotificationFault,
    NotificationRequest,
    Target,
)

WAYS: Final = {"email": "email", "phone": "sms", "device": "push"}
"""The fields of a target that are bare addresses, each with its channel."""
SHOWS: Final = {INBOX: "push"}
"""By what a way says what it says, where it is none itself."""
EVERYBODY: Final = 0
"""The ordinal of what is said to all whom nothing else is said to."""
_TOO_MUCH: Final = (
    f"whoever has data of their own gets the common data once more, and all of that is at most {MOST_BYTES:,} bytes: "
    "name fewer in one notification, or leave out what is long"
)


def place_of(ordinal: int) -> str:
    """Where a caller gave what is said."""
    return f"to[{ordinal - 1}].data" if ordinal else "data"


class _Readers(NamedTuple):
    """The channels that show some data: certainly, and perhaps, where it is not clear yet who is told by which."""

    surely: Sequence[str]
    perhaps: Sequence[str]


class _Saying(NamedTuple):
    """What is said to some: to all who get the same (`EVERYBODY`), or to one, with data of their own beside it."""

    ordinal: int
    own: Mapping[str, Any]
    readers: _Readers


class _Common:
    """The common data, as it is written: of whom it is all that they get, and what it weighs beside data of their own.

    Args:
        declared: what it is for.
        shared: it.
    """

    def __init__(self, declared: MessageType, shared: Mapping[str, Any]) -> None:
        self._shared = {name: _written(value) for name, value in shared.items()}
        self._sizes = {name: len(written or b"") for name, written in self._shared.items()}
        self._ways = declared.ways

    def is_all(self, own: Mapping[str, Any]) -> bool:
        """Whether data of somebody's own says nothing else."""
        return all(
            (known := self._shared.get(name)) is not None and _written(value) == known for name, value in own.items()
        )

    def weight(self, saying: _Saying) -> int:
        """The bytes that would be stored for one: by each of their channels all the data that it shows."""
        sizes = self._sizes | {name: len(_written(value) or b"") for name, value in saying.own.items()}
        readers = saying.readers.surely or saying.readers.perhaps
        return sum(sizes.get(name, 0) for channel in readers for name in self._ways[channel].__struct_fields__)


def _written(value: Any) -> bytes | None:
    try:
        return msgspec.json.encode(value)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):  # its check says what is wrong
        return None


def words_of(
    asked: NotificationRequest,
    declared: MessageType,
    channels: Sequence[str],
    contents: dict[tuple[int, str], Message],
) -> Iterator[NotificationFault]:
    """Make what is said: to all, by what reaches somebody who gets that, and to each who gets something else."""
    common = _Common(declared, asked.data)
    sayings = list(_sayings(asked.to, declared, channels, common))
    anybody = {channel: None for saying in sayings for channel in saying.readers.perhaps}
    if anybody:
        yield from _unheard(declared, anybody, asked.data, "data")
    told: set[str] = set()
    weight = 0
    for saying in sayings:
        if saying.ordinal != EVERYBODY:
            weight += common.weight(saying)
        if weight > MOST_BYTES:  # a small request would be copied a thousand times: no more of it is looked at
            yield NotificationFault("to", _TOO_MUCH, "out_of_range")
            return
        for fault in _said(declared, saying, asked.data, contents):
            if fault.field not in told:  # of what is said to all, more than one may miss it
                told.add(fault.field)
                yield fault


def _sayings(
    to: Sequence[Target] | Audience, declared: MessageType, channels: Sequence[str], common: _Common
) -> Iterator[_Saying]:
    known = [channel for channel in channels if channel in declared.ways]
    perhaps = known if len(known) == len(channels) else tuple(declared.ways)
    if isinstance(to, Audience) or not to:
        yield _Saying(EVERYBODY, {}, _Readers(known, perhaps))
        return
    named = to[:MOST_NAMED]  # more are refused for their number
    own = {ordinal: one.data for ordinal, one in enumerate(named, start=1) if one.data and not common.is_all(one.data)}
    alike = [one for ordinal, one in enumerate(named, start=1) if ordinal not in own]
    if alike:
        yield _Saying(EVERYBODY, {}, _readers(alike, known, perhaps))
    for ordinal, data in own.items():
        yield _Saying(ordinal, data, _readers([named[ordinal - 1]], known, perhaps))


def _unheard(
    declared: MessageType, channels: Iterable[str], data: Mapping[str, Any], at: str
) -> Iterator[NotificationFault]:
    """Name what none of these channels shows."""
    by = tuple(channels)
    there = sorted({name for channel in by for name in declared.ways[channel].__struct_fields__})
    words = f"is not a variable of this message by {', '.join(by)}; it has {', '.join(there)}"
    for name in sorted(data.keys() - set(there)):
        yield NotificationFault(f"{at}.{name}", words, "unknown_field")


def _readers(targets: Sequence[Target], known: Sequence[str], perhaps: Sequence[str]) -> _Readers:
    """By what these are told: a bare address is told by a channel of its own, and whom nobody named perhaps by any."""
    surely: set[str] = set()
    is_clear = True
    for target in targets:
        bare = {WAYS[name] for name in WAYS if getattr(target, name) is not None}
        is_somebody = target.recipient is not None or target.user_id is not None
        surely |= bare or ({*known} if is_somebody else set())
        is_clear = is_clear and bool(bare or (is_somebody and len(known) == len(perhaps)))
    there = [channel for channel in perhaps if channel in surely]
    return _Readers(there, there if is_clear else perhaps)


def _said(
    declared: MessageType,
    saying: _Saying,
    shared: Mapping[str, Any],
    contents: dict[tuple[int, str], Message],
) -> Iterator[NotificationFault]:
    (ordinal, own, readers), at = saying, place_of(saying.ordinal)
    if not readers.perhaps:
        return
    data = {**shared, **own}
    found = list(_unheard(declared, readers.perhaps, own, at))
    models = {channel: declared.ways[channel] for channel in readers.surely}
    wrong = [dict(_wrong(model, data, partial(_needing, models))) for model in models.values()]
    for faults in wrong or [_wrong_in_all([declared.ways[channel] for channel in readers.perhaps], data)]:
        for path, fault in faults.items():
            name = re.split(r"[.\[]", path, maxsplit=1)[0]
            where = "data" if name in shared and name not in own else at
            found.append(NotificationFault(f"{where}.{path}", *fault))
    if found:
        yield from found
        return
    for channel, model in models.items():
        known = {name: value for name, value in data.items() if name in model.__struct_fields__}
        try:
            message = checked({"kind": declared.name, **known}, model)
            CHANNELS[SHOWS.get(channel, channel)].check_size(message)
        except InvalidMessageError as error:
            yield NotificationFault(".".join(filter(None, (at, error.field))), error.message)
        else:
            contents[ordinal, channel] = message


def _wrong_in_all(models: Sequence[type[Message]], data: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """What is wrong with the variables, whichever of the models they are for."""
    first, *others = [dict(_wrong(model, data, lambda _: "every channel needs it")) for model in models]
    return {path: fault for path, fault in first.items() if all(path in other for other in others)}


def _wrong(
    model: type[Message], data: Mapping[str, Any], needed: Callable[[str], str]
) -> Iterable[tuple[str, tuple[str, str]]]:
    """What is wrong with each variable, alone, by its path."""
    for name, kind, is_required in _variables(model):
        if name not in data:
            if is_required:
                yield name, (f"is missing: {needed(name)}", "required")
            continue
        try:
            checked(data[name], kind)
        except InvalidMessageError as error:
            for path, words in _all_wrong(name, data[name], kind, error).items():
                yield path, (words, "required" if words == MISSING else "invalid")


def _needing(models: Mapping[str, type[Message]], name: str) -> str:
    """All channels that need a variable, in words."""
    needing = [
        channel for channel, model in models.items() if (name, True) in {(v, r) for v, _, r in _variables(model)}
    ]
    *others, last = needing
    return f"{', '.join(others)} and {last} need it" if others else f"{last} needs it"


def _all_wrong(name: str, value: Any, kind: Any, first: InvalidMessageError) -> Mapping[str, str]:
    """Everything that is wrong with a variable, by path; the first thing where more cannot be told."""
    try:
        found = faults_in(msgspec.json.decode(msgspec.json.encode(value)), kind, name)
    except (msgspec.MsgspecError, UnicodeEncodeError, TypeError, OverflowError, RecursionError):
        found = {}
    return found or {name: first.message}


@cache
def _variables(model: type[Message]) -> tuple[tuple[str, Any, bool], ...]:
    return tuple((field.name, field.type, field.required) for field in msgspec.structs.fields(model))
