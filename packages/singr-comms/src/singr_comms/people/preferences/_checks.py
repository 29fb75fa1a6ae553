"""Whether choices name what there is in the catalogue: types, categories and channels, also those of other teams."""

from collections.abc import Iterator, Sequence
from typing import Final

from singr_comms.catalogue import MessageType, message_types
from singr_comms.people._errors import PersonFault
from singr_comms.people.preferences._model import MOST_CHOICES, PreferenceChoice, PreferenceError

_SHOWN: Final = 20


def check_choices(choices: Sequence[PreferenceChoice]) -> None:
    """Return where all of them can be kept.

    Raises:
        PreferenceError: it names every field that cannot be.
    """
    if len(choices) > MOST_CHOICES:
        message = f"must be {MOST_CHOICES} at most at once: send the rest in other requests"
        raise PreferenceError([PersonFault("choices", message, "too_many_items")])
    seen: dict[tuple[str, str | None, str | None], int] = {}
    faults = []
    for place, one in enumerate(choices):
        path = f"choices[{place}]"
        faults += list(_faults(path, one))
        first = seen.setdefault((one.scope, one.name, one.channel), place)
        if first != place:
            faults.append(PersonFault(path, f"is about the same as choices[{first}]: send one of them", "repeated"))
    if faults:
        raise PreferenceError(faults)


def types_about(choice: PreferenceChoice) -> list[MessageType]:
    """The types that a choice is about."""
    if choice.scope == "all":
        return list(message_types)
    return [one for one in message_types if choice.name == (one.name if choice.scope == "type" else one.category)]


def _faults(path: str, one: PreferenceChoice) -> Iterator[PersonFault]:
    about = types_about(one)
    if one.scope == "all" and one.name is not None:
        yield PersonFault(f"{path}.name", "must be left out: the choice is about everything", "conflicting_fields")
    elif one.scope != "all" and one.name is None:
        yield PersonFault(f"{path}.name", f"is required: which {one.scope} is meant", "required")
        return
    elif one.allowed is None:
        return  # it may be of what is declared no more
    elif not about:
        names = {each.name if one.scope == "type" else each.category for each in message_types}
        yield PersonFault(f"{path}.name", f"must be a {one.scope} of messages: {_listed(names)}", "unknown_value")
        return
    channels = {channel for each in about for channel in each.ways}
    if one.channel is not None and one.channel not in channels:
        yield PersonFault(f"{path}.channel", f"must be one that it goes by: {_listed(channels)}", "unknown_value")
    if one.allowed is False and one.scope == "type" and about[0].mandatory:
        yield PersonFault(f"{path}.allowed", "must not be false: nobody can switch this type off", "invalid")


def _listed(names: set[str]) -> str:
    shown = sorted(names)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
