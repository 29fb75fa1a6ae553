"""What callers send and get for notifications."""

from typing import Annotated, Any, Literal, TypeAlias, get_args
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import END, Cursor, Limit, OrganizationId
from singr_api.http.pages import PageOf, SearchedPageOf
from singr_comms.notifications import Delivery
from singr_comms.notifying import (
    MOST_NAMED,
    SOME_WAYS,
    Audience,
    DeduplicationKey,
    NotificationRequest,
    NotificationView,
    Period,
    PriorityName,
    Rate,
    Target,
    ZonedTime,
)
from singr_config.constants import PAGINATION
from singr_jobs import Priority

TypeName: TypeAlias = Annotated[
    str, Meta(max_length=64, pattern=rf"^[a-z][a-z0-9_.-]*{END}", examples=["song_request"])
]
ChannelName: TypeAlias = Literal["email", "sms", "push", "inbox"]
# Any word in the request: one that is no channel is told beside all else that is wrong, by who knows the type's own.
AskedChannel: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": list(get_args(ChannelName))})]
Targets: TypeAlias = Annotated[list[Target], Meta(min_length=1, max_length=MOST_NAMED)]


class SendNotification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A notification to send.

    Attributes:
        type: the type of message.
        to: the recipients: up to 1,000 by name, each once; or a topic, tags, or all. With `data` of their own they get
            at most 4 MiB together, the common data with it, each by their channels.
        data: variables of the type, for all channels; each channel uses those that it knows.
        channels: the channels to use; the type's usual ones by default. A type with a push can also go to the `inbox`.
        priority: `high` is for at most 100 named recipients.
        send_at: when to send it, within a year; at once by default, and where the time is past.
        expires_at: nothing is sent after this time; the type's own time to live applies in any case.
        deduplication_key: no second notification with this key is created until the first is cancelled, or has been
            complete for as long as messages of its category are kept (90 days, 30 for `marketing`, by default).
        replace: replaces the notification that has the key, while that is still scheduled: it starts afresh, not
            paused, and including recipients who were removed from the other.
        per_minute: the maximum number of recipients decided per minute; for a topic, tags or all.
        digest: keeps it for each recipient's next digest of this period, which is mailed at the time they chose,
            instead of sending it. The `inbox` gets it at once; items read there are left out of the digest.
    """

    type: TypeName
    to: Targets | Audience
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    channels: Annotated[list[AskedChannel], SOME_WAYS] | None = None
    priority: PriorityName = "normal"
    send_at: ZonedTime | None = None
    expires_at: ZonedTime | None = None
    deduplication_key: DeduplicationKey | None = None
    replace: bool = False
    per_minute: Rate | None = None
    digest: Period | None = None

    def request(self) -> NotificationRequest:
        """It, as the library takes it."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if name != "priority"}
        return NotificationRequest(**given, priority=Priority[self.priority.upper()])


class NotificationQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which notifications to list, and how many.

    Attributes:
        type: what they say.
        state: only notifications in this state.
        deduplication_key: only the notification with this deduplication key.
    """

    organization_id: OrganizationId | None = None
    type: TypeName | None = None
    state: Literal["scheduled", "deciding", "sending", "done", "cancelled"] | None = None
    deduplication_key: DeduplicationKey | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class MessagesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of a notification's messages, and how many.

    Attributes:
        channel: only messages of this channel.
        status: where they stand.
    """

    organization_id: OrganizationId | None = None
    channel: ChannelName | None = None
    status: (
        Literal["queued", "dispatched", "sent", "delivered", "bounced", "complained", "failed", "unknown", "suppressed"]
        | None
    ) = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class CancelNotification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recipients to leave out.

    Attributes:
        recipients: only these, by the organization's own ids; everybody by default.
    """

    recipients: (
        Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(min_length=1, max_length=1_000)] | None
    ) = None


class NotificationPage(PageOf[NotificationView], frozen=True):
    """Some notifications, newest first."""


class NotificationMessages(SearchedPageOf[Delivery], frozen=True):
    """Some messages of a notification, newest first."""


class Accepted(msgspec.Struct, frozen=True):
    """A stored notification.

    Attributes:
        state: `scheduled` until its time, or `deciding`; the current state of one that already existed.
        is_new: false if its deduplication key was already known.
    """

    id: UUID
    state: Literal["scheduled", "deciding", "sending", "done", "cancelled"]
    is_new: bool
