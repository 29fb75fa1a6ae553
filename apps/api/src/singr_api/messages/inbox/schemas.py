"""What people send and get for their inbox."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import Cursor, Limit, Timestamp
from singr_comms.people.inbox import InboxItemView
from singr_config.constants import PAGINATION

MOST_AT_ONCE = 1_000
Reaching = Annotated[
    UUID,
    Meta(description="The organization that reaches you.", examples=["01920000-0000-7000-8000-000000000001"]),
]
Position = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="The position to start after, as the inbox's counts and items give it.")
]


class WhoseInbox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which organization's inbox of yours.

    Attributes:
        organization_id: the one that reaches you there.
    """

    organization_id: Reaching


class InboxQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which items, and how many.

    Attributes:
        organization_id: whose inbox of yours.
        state: `open` items are neither archived nor snoozed; `unread` are the open ones that have not been read.
    """

    organization_id: Reaching
    state: Literal["open", "unread", "archived", "snoozed"] = "open"
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which inbox, and from where on.

    Attributes:
        organization_id: whose inbox of yours.
        after: the position up to which you know it; the header `Last-Event-ID` comes first. From now on, unless given.
    """

    organization_id: Reaching
    after: Position | None = None


class InboxPage(msgspec.Struct, frozen=True):
    """Some items, newest first.

    Attributes:
        unread: how many there are in total; likewise `unseen`.
        position: pass it as `after` to stream later changes.
    """

    items: tuple[InboxItemView, ...]
    next_cursor: str | None
    unread: int
    unseen: int
    position: int


class MarkInbox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Items, and how to mark them.

    Attributes:
        mark: `restored` items are neither archived nor snoozed.
        ids: the items; ids that are not yours are ignored.
        before: also everything that arrived up to this time.
        until: for `snoozed`: when the items come back, unread.
    """

    mark: Literal["seen", "read", "unread", "archived", "restored", "snoozed"]
    ids: Annotated[tuple[UUID, ...], Meta(max_length=MOST_AT_ONCE)] = ()
    before: Timestamp | None = None
    until: Timestamp | None = None
