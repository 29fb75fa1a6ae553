"""Whether an organization may change what somebody switched off themselves: with a note that says why, as a lift."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from singr_comms.catalogue import message_types
from singr_comms.people._errors import PersonFault
from singr_comms.people._memory import KeepsPeople
from singr_comms.people.preferences._checks import types_about
from singr_comms.people.preferences._model import PreferenceChoice, PreferenceError
from singr_comms.people.preferences._rule import ORGANIZATION
from singr_db.operation_log import checked_reason, log_operation

_WHY: Final = "the person switched this off themselves: send a note that says why it is changed"


def off_themselves(kept: Iterable[Any]) -> list[Any]:
    """Of kept choices, what a person switched off themselves, on a page or by a click."""
    return [one for one in kept if not one.allowed and one.source != ORGANIZATION]


def without_repeats(choices: Sequence[PreferenceChoice], own: Sequence[Any]) -> list[PreferenceChoice]:
    """An organization's choices but those that say a person's own no once more: that stays the person's."""
    places = {_place(one) for one in own}
    return [one for one in choices if one.allowed is not False or _place(one) not in places]


async def check_overruled(
    session: Any, holder: Any, choices: Sequence[PreferenceChoice], own: Sequence[Any], note: str | None
) -> None:
    """Return where an organization may make these choices; what they overrule is put down with its note.

    Overruled is what is switched on, or cleared, in the place of somebody's own no, and what is switched on in a
    narrower one: with a channel, which outweighs a no without one, also for the whole category of a type.

    Args:
        session: the caller's transaction.
        holder: whose choices they are.
        choices: the organization's.
        own: what the person switched off themselves.
        note: why, in one line.

    Raises:
        PreferenceError: there is no note; it names every such field.
        singr_db.operation_log.ReasonError: the note cannot be kept.
    """
    said = checked_reason(note)
    over = [(place, one, [no for no in own if _overrules(one, no)]) for place, one in enumerate(choices)]
    over = [each for each in over if each[2]]
    if not over:
        return
    if said is None:
        raise PreferenceError([PersonFault(f"choices[{place}].allowed", _WHY, "required") for place, _, _ in over])
    if isinstance(session, KeepsPeople):  # in memory, where nobody reads a log
        return
    noes = {_place(no): no for _, _, overruled in over for no in overruled}
    await log_operation(
        session,
        "preference.overrule",
        holder.recipient_id,
        organization_id=holder.organization_id,
        before={"choices": [_told(no) | {"source": no.source} for no in noes.values()]},
        after={"choices": [_told(one) for _, one, _ in over]},
        reason=said,
    )


def _overrules(one: PreferenceChoice, no: Any) -> bool:
    if one.allowed is False:
        return False
    if _place(one) == _place(no):
        return True
    return bool(one.allowed) and no.channel in {None, one.channel} and _is_within(one, no)


def _is_within(one: PreferenceChoice, no: Any) -> bool:
    """Whether what a choice is about is among what somebody said no to."""
    if no.scope == "all" or (one.scope, one.name) == (no.scope, no.name):
        return True
    if (one.scope, no.scope) == ("type", "category"):
        return any(about.category == no.name for about in types_about(one))
    if (one.scope, no.scope) != ("category", "type") or one.channel is None or no.channel is not None:
        return False
    declared = message_types.named(no.name)
    return declared is None or declared.category == one.name  # another team's may be of any category


def _place(one: Any) -> tuple[str, str | None, str | None]:
    return one.scope, one.name, one.channel


def _told(one: Any) -> dict[str, Any]:
    return {"scope": one.scope, "name": one.name, "channel": one.channel, "allowed": one.allowed}
