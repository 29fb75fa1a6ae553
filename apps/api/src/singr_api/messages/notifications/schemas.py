"""What callers send and get for notifications."""

from typing import Annotated, Any, Literal, TypeAlias, get_args
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import END, LINE, Cursor, Limit, OrganizationId, Timestamp
from singr_api.http.pages import PageOf, SearchedPageOf
from singr_comms.notifications import Delivery
from singr_comms.notifying import Audience, NotificationRequest, NotificationView, Target
from singr_config.constants import PAGINATION
from singr_jobs import Priority

TypeName: TypeAlias = Annotated[
    str, Meta(max_length=64, pattern=rf"^[a-z][a-z0-9_.-]*{END}", examples=["song_request"])
]
DeduplicationKey: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200, pattern=LINE)]
ChannelName: TypeAlias = Literal["email", "sms", "push", "inbox"]
# Any word in the request: one that is no channel is told beside all else that is wrong, by who knows the type's own.
AskedChannel: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": list(get_args(ChannelName))})]
Targets: TypeAlias = Annotated[list[Target], Meta(min_length=1, max_length=1_000)]


class SendNotification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to tell.

    Attributes:
        type: what it says, by its type of message.
        to: whom: up to 1,000 by name, each once; or a topic, tags, or all.
        data: variables of the type, for all channels: each takes those that it knows.
        channels: by which to tell; the type's usual ones unless given. What has a push may go into `inbox`, too.
        priority: high is for 100 named ones at most.
        send_at: when, within a year; at once unless given.
        expires_at: after this nothing is sent any more; the type's own time to live holds in any case.
        deduplication_key: a second one with this key is not made, until the first is cancelled, or has ended as long
            ago as messages of its category are kept (90 days, 30 of `marketing`, unless the operator says otherwise).
        replace: it takes the place of the one that has the key, as long as that is scheduled: it begins anew, neither
            paused nor without those who were left out of the other.
        per_minute: so many recipients at most are decided in a minute; of a topic, tags or all.
        digest: keep it for each recipient's next digest of this period, which comes by mail at the time that they want,
            in place of sending it. `inbox` gets it at once; what is read there is left out of the digest.
    """

    type: TypeName
    to: Targets | Audience
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    channels: Annotated[list[AskedChannel], Meta(min_length=1, max_length=10)] | None = None
    priority: Literal["high", "normal", "low"] = "normal"
    send_at: Timestamp | None = None
    expires_at: Timestamp | None = None
    deduplication_key: DeduplicationKey | None = None
    replace: bool = False
    per_minute: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    digest: Literal["daily", "weekly"] | None = None

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
        channel: the way they go.
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
    """Who is left out.

    Attributes:
        recipients: only these, by the organization's own ids; everybody unless given.
    """

    recipients: (
        Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(min_length=1, max_length=1_000)] | None
    ) = None


class NotificationPage(PageOf[NotificationView], frozen=True):
    """Some notifications, newest first."""


class NotificationMessages(SearchedPageOf[Delivery], frozen=True):
    """Some messages of a notification, newest first."""


class Accepted(msgspec.Struct, frozen=True):
    """A notification that is stored.

    Attributes:
        state: `scheduled` until its time comes, or `deciding`; of one that was there already, where it stands.
        is_new: false where its deduplication key was known.
    """

    id: UUID
    state: Literal["scheduled", "deciding", "sending", "done", "cancelled"]
    is_new: bool
