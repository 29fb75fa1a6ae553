"""What of a digest this process can open, and what it leaves for another: nothing ends because one lacks a secret."""

from collections.abc import Sequence
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from singr_comms.catalogue import message_types
from singr_comms.channels import CHANNELS
from singr_comms.messages.digest import MOST
from singr_comms.models._message import Message
from singr_comms.models._words import misfit
from singr_comms.notifications._rows import CONTENT, OTHER_VERSION, UNKNOWN_TYPE
from singr_db import Sealer, SealError
from singr_observability import get_logger

_log = get_logger("comms.digests")
PAUSE_SECONDS: Final = 900.0
"""After which what is held is tried again, by whichever worker."""


class Shut(msgspec.Struct, frozen=True):
    """Why something cannot be opened by this process.

    Attributes:
        what: the key of a person, what sealed an item, or the form of what was sealed.
        why: in words, without what it says.
    """

    what: Literal["key", "seal", "type"]
    why: str


class Opened(msgspec.Struct, frozen=True):
    """Items, as far as this process can open them.

    Attributes:
        told: those to tell, in their order, the first `MOST` of them opened.
        messages: what these say, by their ids.
        waiting: those that are left for another process.
        given_up: those that nobody opened in 30 days.
        shut: why the first of them could not be opened; None where all could.
    """

    told: Sequence[Any] = ()
    messages: dict[UUID, Message] = {}
    waiting: Sequence[UUID] = ()
    given_up: Sequence[UUID] = ()
    shut: Shut | None = None


def opened(items: Sequence[Any], sealer: Sealer, shut: Shut | None) -> Opened:
    """Open as many as are shown.

    Args:
        items: in their order.
        sealer: opens them.
        shut: why none of them can be told, such as for the want of their reader's key.
    """
    told: list[Any] = []
    messages: dict[UUID, Message] = {}
    left: list[tuple[Any, Shut]] = []
    for item in items:
        found = shut or (_message(item, sealer) if len(messages) < MOST else None)
        if isinstance(found, Shut):
            left.append((item, found))
            continue
        told.append(item)  # beyond `MOST` it is only counted
        if found is not None:
            messages[item.id] = found
    return Opened(
        told,
        messages,
        waiting=[item.id for item, _ in left if not item.is_given_up],
        given_up=[item.id for item, _ in left if item.is_given_up],
        shut=left[0][1] if left else None,
    )


def _message(item: Any, sealer: Sealer) -> Message | Shut:
    declared, kind = message_types.named(item.kind), item.kind
    model = declared and declared.models.get(item.channel)
    if model is None:
        return Shut("type", UNKNOWN_TYPE.format(channel=item.channel, kind=kind))
    said = CHANNELS[item.channel].said
    try:
        message: Message = msgspec.json.decode(sealer.open(item.content_sealed, context=CONTENT), type=model)
    except SealError as error:
        return Shut("seal", f"the {said} {kind}: {error} (AUTH_SECRET_PREVIOUS)")
    except msgspec.ValidationError as error:
        return Shut("type", OTHER_VERSION.format(channel=said, kind=kind, misfit=misfit(error)))
    except msgspec.DecodeError:  # its words may quote what was said
        return Shut("type", f"the {said} {kind} was stored in a form that is not known here")
    return message


def tell_of_held(held: Sequence[tuple[UUID, Shut]]) -> None:
    """Say in the log that digests wait, by the ids of their windows."""
    if held:
        window, shut = held[0]
        _log.error(
            "{} digests cannot be opened by this process and are left for another, such as {}: {}; they are tried"
            " every 15 minutes, for 30 days from when an item came",
            len(held),
            window,
            shut.why,
        )


def tell_of_given_up(ids: Sequence[UUID], shut: Shut | None) -> None:
    """Say in the log that items are deleted that nobody could open in time."""
    if ids and shut is not None:
        _log.error(
            "{} items of digests are deleted, such as {}: nobody could open them for 30 days: {}",
            len(ids),
            ids[0],
            shut.why,
        )
