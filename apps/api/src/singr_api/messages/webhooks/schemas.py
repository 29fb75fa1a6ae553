"""What operators send and get for callbacks of providers."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from singr_api.http.fields import END, Cursor, From, Limit
from singr_api.http.pages import SearchedPageOf
from singr_comms.notifications import Effect, WebhookState, WebhookView
from singr_config.constants import PAGINATION
from singr_db.operation_log import LONGEST_REASON, REASON_PATTERN

_Provider = Annotated[str, Meta(max_length=40, pattern=rf"^[a-z][a-z0-9_]*{END}", examples=["mailjet"])]
_Reason = Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON, pattern=REASON_PATTERN)]


class WebhookQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which callbacks to list, and how many.

    Attributes:
        provider: only callbacks from this provider.
        state: only callbacks in this state.
    """

    provider: _Provider | None = None
    state: WebhookState | None = None
    limit: Limit = PAGINATION.default
    cursor: Cursor | None = None


class WebhookPage(SearchedPageOf[WebhookView], frozen=True):
    """Some callbacks, newest first."""


class Rehearsal(msgspec.Struct, frozen=True):
    """Preview of the changes, event by event."""

    effects: tuple[Effect, ...]


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reason, kept in the operation log."""

    reason: _Reason | None = None


class ReplayMany(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which callbacks, and why.

    Attributes:
        state: only callbacks in this state.
        provider: the provider; all by default.
        received_after: since when; the last thirty days by default.
        cursor: `next_cursor` of the previous response.
        reason: for the operation log.
    """

    state: Literal["done", "ignored", "failed"]
    provider: _Provider | None = None
    received_after: From | None = None
    cursor: UUID | None = None
    reason: _Reason | None = None


class Replayed(msgspec.Struct, frozen=True):
    """How many callbacks wait to be applied again.

    Attributes:
        next_cursor: where to continue; null if nothing more matches.
    """

    count: int
    next_cursor: UUID | None
