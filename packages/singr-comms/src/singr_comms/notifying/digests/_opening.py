"""What of a digest this process can open, and what it leaves for another: nothing ends because one lacks a secret."""

from collections.abc import AsyncIterator, Sequence
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
FAR: Final = 500
"""Past so many items that a process cannot open, it looks no further: what comes then waits with them."""


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
        told: those to tell one by one, in their order.
        messages: what these say, by their ids.
        more: so many came after these, and are only counted.
        waiting: those that are left for another process.
        given_up: those that nobody opened in 30 days.
        shut: why the first of them could not be opened; None where all could.
        last: the one after which no further was looked, as too many could not be opened; None where there is no such.
    """

    told: Sequence[Any] = ()
    messages: dict[UUID, Message] = {}
    more: int = 0
    waiting: Sequence[UUID] = ()
    given_up: Sequence[UUID] = ()
    shut: Shut | None = None
    last: Any = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is left for another process or time."""
        return not self.waiting and self.last is None


async def opened(items: AsyncIterator[Any], sealer: Sealer, shut: Shut | None, *, in_part: bool) -> Opened:
    """Open `MOST`, and read no more than that takes: past `FAR` that cannot be opened, none.

    Args:
        items: in their order.
        sealer: opens them.
        shut: why none of them can be told, such as for the want of their reader's key.
        in_part: whether those that can be opened are of use while others wait.
    """
    told: list[Any] = []
    messages: dict[UUID, Message] = {}
    left: list[tuple[Any, Shut]] = []
    is_cut = False
    async for item in items:
        found = shut or _message(item, sealer)
        if isinstance(found, Shut):
            left.append((item, found))
            is_cut = bool(item.behind) and (len(left) == FAR or not (in_part or item.is_given_up))
        else:
            told.append(item)
            messages[item.id] = found
        if is_cut or len(told) == MOST:
            break
    return Opened(
        told,
        messages,
        more=told[-1].behind if len(told) == MOST else 0,
        waiting=[item.id for item, _ in left if not item.is_given_up],
        given_up=[item.id for item, _ in left if item.is_given_up],
        shut=left[0][1] if left else None,
        last=left[-1][0] if is_cut else None,
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
