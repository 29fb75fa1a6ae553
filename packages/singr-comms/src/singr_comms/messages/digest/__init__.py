"""What happened in a day or a week, in one mail."""

from typing import Annotated, Final, Literal

import msgspec

from singr_comms._errors import InvalidMessageError
from singr_comms.catalogue import (
    EXAMPLE_LINK,
    Count,
    HttpUrl,
    LocalDay,
    Message,
    MessageType,
    PersonName,
    PushText,
    Title,
)
from singr_comms.models._message import end_lines

MOST: Final = 50
"""So many items are told one by one."""


class DigestItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One event.

    Args:
        title: what it was.
        body: more about it.
    """

    title: Title
    body: PushText | None = None

    def __post_init__(self) -> None:
        """As in messages."""
        end_lines(self)


class Digest(Message, tag="digest", frozen=True, kw_only=True):
    """The events of a day or a week: up to 50 items, and how many more there were. No day comes before the first."""

    user_name: PersonName | None = None
    period: Literal["daily", "weekly"]
    first_day: LocalDay
    last_day: LocalDay
    items: Annotated[tuple[DigestItem, ...], msgspec.Meta(min_length=1, max_length=MOST)]
    link: HttpUrl
    more: Count = 0

    def __post_init__(self) -> None:
        """Refuse a span that ends before it begins; days are written so that text compares as they do."""
        super().__post_init__()
        if str(self.first_day) > str(self.last_day):  # what is no day is told as that
            raise InvalidMessageError("first_day", "must not be after last_day")


MESSAGE_TYPE: Final = MessageType(
    __name__,
    when_unknown="settle",
    speaks_for="organization",
    category="digests",
    quiet="pass",  # it comes when its reader wants it
    email=Digest,
    examples=(
        lambda user="Jane Doe", title="New request: Somebody to Love", body="By Queen, for Freddie": Digest(
            user_name=user,
            period="daily",
            first_day="2026-11-28",
            last_day="2026-11-28",
            items=(DigestItem(title=title, body=body),),
            link=EXAMPLE_LINK,
        ),
        lambda user="Jane Doe", title="New review: 5 out of 5", body="The best tomatoes in town": Digest(
            user_name=user,
            period="weekly",
            first_day="2026-11-23",
            last_day="2026-11-29",
            items=(DigestItem(title=title, body=body), DigestItem(title="Order A-1042 is ready")),
            more=3,
            link=EXAMPLE_LINK,
        ),
    ),
)
