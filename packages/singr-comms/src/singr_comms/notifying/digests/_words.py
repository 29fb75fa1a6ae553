"""What a digest says: of each item the words that would have come by its channel, cut to a title and a line or two."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TypeAlias

import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms.channels import CHANNELS
from singr_comms.messages.digest import MOST, Digest, DigestItem
from singr_comms.models._message import Message, checked
from singr_comms.notifying.digests._joining import Period
from singr_comms.rendering._inert import is_link
from singr_comms.rendering._languages import ISOLATES
from singr_config import BrandSettings
from singr_jobs.schedules import zone

_TITLE: Final = 200
_BODY: Final = 400
Dressed: TypeAlias = Callable[[Any, Message], tuple[BrandSettings, str | None]]


def digest_of(
    rows: Sequence[Any],
    *,
    opened: Callable[[Any], Message],
    dressed: Dressed,
    who: Any,
    name: str | None,
    period: Period,
    link: str,
    more: int = 0,
    last_at: datetime | None = None,
) -> Digest | None:
    """One mail about all of these; None where nobody can read any of them.

    Args:
        rows: items, in their order.
        opened: gives what one says, for the first of them (`MOST`).
        dressed: gives in whose name an item speaks, and in which language.
        who: whose digest it is: their `time_zone`.
        name: the name to address them by.
        period: how often it comes.
        link: where all of it can be seen.
        more: how many came after these, and are only counted.
        last_at: when the last of those came.
    """
    place = zone(who.time_zone) or UTC
    shown = [item for row in rows[:MOST] if (item := _item(row, opened(row), dressed)) is not None]
    if not shown:
        return None
    # A clock that was set back may have given a later item the earlier time.
    first_day, last_day = sorted((_day(rows[0].created_at, place), _day(last_at or rows[-1].created_at, place)))
    return checked(
        Digest(
            user_name=name,
            period=period,
            first_day=first_day,
            last_day=last_day,
            items=tuple(shown),
            link=link,
            more=len(rows) - len(shown) + more,
        ),
        Digest,
    )


def _day(moment: datetime, place: tzinfo) -> str:
    return moment.astimezone(place).date().isoformat()


def _item(row: Any, message: Message, dressed: Dressed) -> DigestItem | None:
    try:
        brand, locale = dressed(row, message)
        words = _without_links(CHANNELS[row.channel].shown(message, brand, locale)[1], message)
        title, _, body = "".join(one for one in words if one not in ISOLATES).strip().partition("\n")
        # A mail's text is a letter: its subject says what it is about.
        more = None if row.channel == "email" else _cut(body, _BODY) or None
        return checked(DigestItem(title=_cut(title, _TITLE), body=more), DigestItem)
    except (msgspec.MsgspecError, InvalidMessageError):
        return None


def _without_links(words: str, message: Message) -> str:
    """What a message says without the addresses in it: nothing of an item is a link; a digest has one of its own."""
    for name, value in msgspec.structs.asdict(message).items():
        if is_link(name) and value:
            words = words.replace(value, "")
    return words


def _cut(text: str, most: int) -> str:
    text = text.strip()
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
