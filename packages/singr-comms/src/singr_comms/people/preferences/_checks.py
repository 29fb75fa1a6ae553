"""Whether choices name what there is in the catalogue: types, categories and channels, also those of other teams."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from singr_comms.catalogue import INBOX, MessageType, message_types
from singr_comms.people._errors import PersonFault
from singr_comms.people._forms import formed
from singr_comms.people.preferences._model import (
    MOST_CHOICES,
    FrequencyChoice,
    PreferenceChoice,
    PreferenceError,
    Source,
)

C = TypeVar("C", PreferenceChoice, FrequencyChoice)
_SHOWN: Final = 20


def check_choices(
    choices: Sequence[PreferenceChoice], frequencies: Sequence[FrequencyChoice] = (), source: Source = "organization"
) -> None:
    """Return where all of them can be kept.

    Raises:
        PreferenceError: it names every field that cannot be.
    """
    for field, given in (("choices", choices), ("frequencies", frequencies)):
        if not isinstance(given, list | tuple):
            raise PreferenceError([PersonFault(field, "must be a list of choices", "malformed")])
        if len(given) > MOST_CHOICES:
            message = f"must be at most {MOST_CHOICES} at once: send the rest in other requests"
            raise PreferenceError([PersonFault(field, message, "too_many_items")])
    faults = [
        *formed(source, Source, "source")[1],
        *_each("choices", choices, PreferenceChoice, lambda one: one.allowed is None, _not_allowed),
        *_each("frequencies", frequencies, FrequencyChoice, lambda one: one.frequency is None, _not_often),
    ]
    if faults:
        raise PreferenceError(faults)


def types_about(choice: PreferenceChoice | FrequencyChoice) -> list[MessageType]:
    """The types that a choice is about."""
    if choice.scope == "all":
        return list(message_types)
    return [one for one in message_types if choice.name == (one.name if choice.scope == "type" else one.category)]


def _each(
    field: str,
    given: Sequence[C],
    kind: type[C],
    takes_back: Callable[[C], bool],
    own: Callable[[str, C, list[MessageType]], Iterator[PersonFault]],
) -> Iterator[PersonFault]:
    seen: dict[tuple[str, str | None, str | None], int] = {}
    for place, one in enumerate(given):
        path = f"{field}[{place}]"
        if misshapen := formed(one, kind, path)[1]:
            yield from misshapen
            continue
        about = types_about(one)
        faults = list(_of_place(path, one, about, is_over=takes_back(one)))
        yield from faults
        if not faults and not takes_back(one):
            yield from own(path, one, about)
        first = seen.setdefault((one.scope, one.name, one.channel), place)
        if first != place:
            yield PersonFault(path, f"is about the same as {field}[{first}]: send one of them", "repeated")


def _of_place(
    path: str, one: PreferenceChoice | FrequencyChoice, about: list[MessageType], *, is_over: bool
) -> Iterator[PersonFault]:
    """What is wrong with what a choice is about; one that is taken back may be of what is declared no more."""
    if one.scope == "all" and one.name is not None:
        yield PersonFault(f"{path}.name", "must be left out: the choice is about everything", "conflicting_fields")
    elif one.scope != "all" and one.name is None:
        yield PersonFault(f"{path}.name", f"is required: which {one.scope} is meant", "required")
    elif not is_over and not about:
        names = {each.name if one.scope == "type" else each.category for each in message_types}
        yield PersonFault(f"{path}.name", f"must be a {one.scope} of messages: {_listed(names)}", "unknown_value")


def _not_allowed(path: str, one: PreferenceChoice, about: list[MessageType]) -> Iterator[PersonFault]:
    channels = {channel for each in about for channel in each.ways}
    if one.channel is not None and one.channel not in channels:
        yield PersonFault(
            f"{path}.channel", f"must be a channel that it is sent by: {_listed(channels)}", "unknown_value"
        )
    if one.allowed is False and one.scope == "type" and about[0].mandatory:
        yield PersonFault(f"{path}.allowed", "must not be false: this type cannot be switched off", "invalid")


def _not_often(path: str, one: FrequencyChoice, about: list[MessageType]) -> Iterator[PersonFault]:
    channels = {channel for each in about for channel in each.ways if channel != INBOX}
    if one.channel is not None and one.channel not in channels:
        words = f"must be a channel on which it can wait: {_listed(channels)}"
        yield PersonFault(f"{path}.channel", words, "unknown_value")
    if one.frequency != "immediate" and one.scope == "type" and about[0].mandatory:
        yield PersonFault(f"{path}.frequency", "must be immediate: this type cannot wait", "invalid")


def _listed(names: set[str]) -> str:
    shown = sorted(names)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
