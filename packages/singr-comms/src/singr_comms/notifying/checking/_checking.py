"""All of it is looked at, whatever is wrong: whom, by which ways, when, and whether what is said fits its type."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from singr_comms._errors import InvalidMessageError
from singr_comms.catalogue import MessageType, message_types
from singr_comms.channels import CHANNELS
from singr_comms.channels.email import EmailAddress
from singr_comms.models._message import Message, checked
from singr_comms.notifications._intake import MessageIntake
from singr_comms.notifications.channels import WORK
from singr_comms.notifying._asked import (
    MOST_HIGH,
    MOST_NAMED,
    Audience,
    NotificationFault,
    NotificationRequest,
    Target,
)
from singr_comms.notifying.checking._form import formed
from singr_comms.notifying.checking._saying import SHOWS, WAYS, place_of, words_of
from singr_config.clock import clock
from singr_jobs import Priority

_NO_WAY: Final = ("",)
"""In place of channels that nobody can read: it may be any."""
_NAMES: Final = ("recipient", "user_id", *WAYS)
_GROUPS: Final = ("topic", "tags", "all")
_FARTHEST: Final = timedelta(days=366)


class Address(NamedTuple):
    """A bare address: its channel, and how that writes it."""

    channel: str
    to: Any


class Checked(NamedTuple):
    """What was asked for, in order: by which channels, what to say (by ordinal and channel), and bare addresses."""

    type: MessageType
    channels: tuple[str, ...]
    contents: Mapping[tuple[int, str], Message]
    addresses: Mapping[int, Address]


class Looked(NamedTuple):
    """What a look found: everything that is wrong, and what was asked for as far as it could be understood.

    Attributes:
        asked: it, as it was given; where that has not its form, with what is nobody and nothing in its place.
    """

    faults: tuple[NotificationFault, ...]
    checked: Checked | None
    asked: NotificationRequest


def look_at(
    asked: NotificationRequest, *, allow_test: bool, intake: MessageIntake | None = None, now: datetime | None = None
) -> Looked:
    """Look at all that can be looked at without the database.

    Args:
        asked: what is asked for.
        allow_test: take addresses of `.test` too.
        intake: says what an organization may not ask for; None: it is asked for by code of ours.
        now: the time, where it is not that of the clock.
    """
    form = formed(asked)
    asked = form.asked
    faults: list[NotificationFault] = [*form.faults, *_moments(asked, now or clock.now())]
    declared = message_types.named(asked.type)
    if declared is None and "type" not in form.fields:
        known = ", ".join(sorted(one.name for one in message_types))
        faults.append(NotificationFault("type", f"must be a declared type: {known}", "unknown_value"))
    channels = tuple(dict.fromkeys(asked.channels if asked.channels is not None else _usual(declared)))
    unknown = list(_ways(asked.channels, channels, declared))
    faults += unknown
    is_unclear = bool(unknown) or "channels" in form.fields
    addresses: dict[int, Address] = {}
    contents: dict[tuple[int, str], Message] = {}
    faults += _whom(asked.to, () if is_unclear else channels, addresses, allow_test=allow_test, but=form.places)
    faults += _urgency(asked)
    faults += _kept(asked, declared)
    if declared is not None and intake is not None and (wrong := intake.reserved_type(declared)):
        faults.append(NotificationFault("type", wrong, "forbidden"))  # whatever it is to say, nobody may say it here
    elif declared is not None and "data" not in form.fields:
        faults += words_of(asked, declared, _NO_WAY if "channels" in form.fields else channels, contents)
    if intake is not None:
        for (ordinal, channel), message in contents.items():
            faults += _reserved(intake, ordinal, channel, message)
    checked = None if declared is None else Checked(declared, channels, contents, addresses)
    return Looked(tuple(dict.fromkeys(faults)), checked, asked)


def _reserved(intake: MessageIntake, ordinal: int, channel: str, message: Message) -> Iterator[NotificationFault]:
    for name, wrong, code in intake.refusals(SHOWS.get(channel, channel), message):
        yield NotificationFault(f"{place_of(ordinal)}.{name}", wrong, code)


def _usual(declared: MessageType | None) -> Sequence[str]:
    return () if declared is None else declared.default_channels


def _moments(asked: NotificationRequest, now: datetime) -> Iterator[NotificationFault]:
    aware: dict[str, datetime] = {}
    for field, moment in (("send_at", asked.send_at), ("expires_at", asked.expires_at)):
        if moment is not None:
            try:
                aware[field] = moment.astimezone(UTC)
            except OverflowError:
                yield NotificationFault(field, "must lie in the years 1 to 9999 in UTC too", "out_of_range")
    begins = aware.get("send_at", now)
    if begins > now + _FARTHEST:
        yield NotificationFault("send_at", "must be within a year", "out_of_range")
    if "expires_at" in aware and aware["expires_at"] <= max(now, begins):
        yield NotificationFault("expires_at", "must be in the future, and after send_at", "out_of_range")
    if asked.per_minute is not None and not isinstance(asked.to, Audience):
        yield NotificationFault("per_minute", "is for a topic, tags or all: named recipients are decided at once")
    if asked.replace and asked.deduplication_key is None:
        yield NotificationFault("replace", "needs a deduplication_key: it moves the notification that has it")


def _ways(
    asked: Sequence[str] | None, channels: Sequence[str], declared: MessageType | None
) -> Iterator[NotificationFault]:
    if declared is None:
        return
    if not channels:
        yield NotificationFault("channels", "must name at least one channel", "required")
    given = channels if asked is None else asked
    for place, channel in enumerate(given):
        first = given.index(channel)
        if channel not in declared.ways:
            words = f"{declared.name} can only be sent by {', '.join(sorted(declared.ways))}"
            yield NotificationFault(f"channels[{place}]", words, "unknown_value")
        elif first != place:
            words = f"is the same as channels[{first}]: name each once"
            yield NotificationFault(f"channels[{place}]", words, "repeated")


def _urgency(asked: NotificationRequest) -> Iterator[NotificationFault]:
    many = isinstance(asked.to, Audience) or len(asked.to) > MOST_HIGH
    if asked.priority is Priority.HIGH and many:
        yield NotificationFault("priority", f"high is for at most {MOST_HIGH} named recipients", "out_of_range")


def _kept(asked: NotificationRequest, declared: MessageType | None) -> Iterator[NotificationFault]:
    """What is wrong with keeping it for digests."""
    if asked.digest is None:
        return
    if declared is not None and declared.mandatory:
        yield NotificationFault("digest", f"{declared.name} cannot wait: it cannot be switched off", "forbidden")
    if asked.priority is Priority.HIGH:
        yield NotificationFault("digest", "messages with high priority are sent at once")
    for place, one in enumerate(() if isinstance(asked.to, Audience) else asked.to[:MOST_NAMED]):
        for name in WAYS:
            if getattr(one, name) is not None:
                words = "a bare address has no digest: name a recipient"
                yield NotificationFault(f"to[{place}].{name}", words)


def _whom(
    to: Sequence[Target] | Audience,
    channels: Sequence[str],
    addresses: dict[int, Address],
    *,
    allow_test: bool,
    but: frozenset[int],
) -> Iterator[NotificationFault]:
    if isinstance(to, Audience):
        given = [name for name in _GROUPS if getattr(to, name)]
        if len(given) != 1:
            yield NotificationFault("to", f"must have exactly one of {', '.join(_GROUPS)}", "required")
        return
    if not 1 <= len(to) <= MOST_NAMED:
        words = f"must name 1 to {MOST_NAMED}, not {len(to)}; use a topic, tags or all for more"
        yield NotificationFault("to", words, "out_of_range")
        return
    seen: dict[tuple[str, Any], int] = {}
    for place, target in enumerate(to):
        if place in but:
            continue
        named = [(name, getattr(target, name)) for name in _NAMES if getattr(target, name) is not None]
        if len(named) != 1:
            yield NotificationFault(f"to[{place}]", f"must have exactly one of {', '.join(_NAMES)}", "required")
            continue
        [(name, value)] = named
        first = seen.setdefault((name, value.strip().lower() if name == "email" else value), place)
        if first != place:
            yield NotificationFault(f"to[{place}]", f"is the same as to[{first}]: name each once", "repeated")
        if name in WAYS:
            yield from _address(place, name, value, channels, addresses, allow_test=allow_test)


def _address(
    place: int,
    name: str,
    value: str,
    channels: Sequence[str],
    addresses: dict[int, Address],
    *,
    allow_test: bool,
) -> Iterator[NotificationFault]:
    field, channel = f"to[{place}].{name}", WAYS[name]
    to: Any = EmailAddress(value) if channel == "email" else value
    try:
        to = checked(to, CHANNELS[channel].recipient)
    except InvalidMessageError as error:
        yield NotificationFault(field, error.message, "malformed")
        return
    for wrong in WORK[channel].unreachable(to, allow_test=allow_test).values():
        yield NotificationFault(field, wrong, "malformed")
    if channels and channel not in channels:
        words = f"is reached by {channel}, which is not one of the channels: {', '.join(channels)}"
        yield NotificationFault(field, words)
    addresses[place + 1] = Address(channel, to)
