"""What callers send and get for deliveries."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import END, PRINTABLE, Cursor, From, Limit, OrganizationId, Timestamp, Until, check_order
from singr_api.http.pages import SearchedPageOf
from singr_comms.notifications import Delivery, Resolution
from singr_config.constants import PAGINATION
from singr_db.operation_log import LONGEST_REASON, REASON_PATTERN

Status = Literal[
    "queued", "dispatched", "sent", "delivered", "bounced", "complained", "failed", "unknown", "suppressed"
]


class DeliveryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages to list, and how many.

    Attributes:
        channel: only messages of this channel.
        status: where they stand.
        kind: only messages of this type.
    """

    organization_id: OrganizationId | None = None
    channel: Literal["email", "sms", "push", "inbox"] | None = None
    status: Status | None = None
    kind: Annotated[str, Meta(max_length=100, pattern=rf"^[a-z][a-z0-9_]*{END}", examples=["song_request"])] | None = (
        None
    )
    job_id: Annotated[UUID, Meta(description="Only the messages of this job.")] | None = None
    notification_id: Annotated[UUID, Meta(description="Only the messages of this notification.")] | None = None
    recipient: (
        Annotated[
            str,
            Meta(
                min_length=3,
                max_length=254,
                pattern=rf"^[!-~]+{END}",
                description="E-mail address or E.164 phone number in full; write + as %2B.",
            ),
        ]
        | None
    ) = None
    created_after: From | None = None
    created_before: Until | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None

    def __post_init__(self) -> None:
        """Refuse what no single field shows."""
        check_order(self.created_after, self.created_before)


class ExplainSending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message that might be sent.

    Attributes:
        type: the type of message.
        channel: the channel that it would be sent through.
        user_id: the user it would belong to, so that the limit per user and hour is evaluated too.
        provider: the provider that would be called; the first one by default.
        at: the moment to explain; now by default.
    """

    type: Annotated[str, Meta(max_length=100, pattern=rf"^[a-z][a-z0-9_]*{END}", examples=["song_request"])]
    channel: Literal["email", "sms", "push"]
    address: Annotated[
        str,
        Meta(
            min_length=3,
            max_length=4096,
            pattern=rf"^[!-~]+{END}",
            description="E-mail address, E.164 phone number or registration token of a device, in full.",
            examples=["jane@example.org"],
        ),
    ]
    user_id: UUID | None = None
    provider: (
        Annotated[str, Meta(min_length=1, max_length=40, pattern=rf"^[a-z0-9_-]+{END}", examples=["mailjet"])] | None
    ) = None
    at: Timestamp | None = None


class ExplainQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who would be told what: `recipient` or `user_id` says who. An address is asked about by `POST`, in no URL.

    Attributes:
        type: the type of message.
        channel: the channel that it would be sent through.
        user_id: the person's account.
        at: the moment to explain; now by default.
    """

    organization_id: OrganizationId | None = None
    type: Annotated[str, Meta(max_length=100, pattern=rf"^[a-z][a-z0-9_]*{END}", examples=["song_request"])]
    channel: Literal["email", "sms", "push", "inbox"]
    recipient: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=128,
                pattern=PRINTABLE,
                description="The organization's own id of the person (`external_id`).",
                examples=["u-17"],
            ),
        ]
        | None
    ) = None
    user_id: UUID | None = None
    at: Timestamp | None = None


class Resolve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody found out about a message in doubt.

    Attributes:
        outcome: `sent` if the provider had it; `send_again` if it did not, or if a duplicate does no harm.
        reason: how they know, in one line.
    """

    outcome: Resolution
    reason: (
        Annotated[
            str, Meta(min_length=1, max_length=LONGEST_REASON, pattern=REASON_PATTERN, examples=["Seen in Mailjet"])
        ]
        | None
    ) = None


class DeliveryPage(SearchedPageOf[Delivery], frozen=True):
    """Some messages, newest first."""
