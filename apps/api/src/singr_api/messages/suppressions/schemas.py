"""What callers send and get for addresses that get nothing."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from singr_api.http.fields import END, Cursor, Limit, OrganizationId
from singr_api.http.pages import SearchedPageOf
from singr_comms.notifications import SuppressionView
from singr_config.constants import PAGINATION
from singr_db.operation_log import LONGEST_REASON, REASON_PATTERN


class SuppressionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which addresses, and how many.

    Attributes:
        channel: only suppressions of this channel.
        reason: only suppressions with this reason.
    """

    organization_id: OrganizationId | None = None
    channel: Literal["email", "sms", "push"] | None = None
    reason: Literal["bounced", "bounced_softly", "complained", "stopped", "unsubscribed"] | None = None
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
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class SuppressionPage(SearchedPageOf[SuppressionView], frozen=True):
    """Some addresses, newest first."""


class LiftSuppression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the suppression is lifted.

    Attributes:
        note: stored with the suppression, and in the operation log.
    """

    note: Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON, pattern=REASON_PATTERN)]
