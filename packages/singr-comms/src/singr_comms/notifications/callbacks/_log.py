"""Callbacks as operators see them: what came, what became of it, and how it is applied once more."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select

from singr_comms._errors import CommsError
from singr_comms.notifications.callbacks._job import ProcessWebhook
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession, sql_text
from singr_db.operation_log import log_operation
from singr_db.pages import Page, search_page
from singr_db.tables import ReceivedWebhook
from singr_jobs import enqueue, enqueue_many

MOST_AT_ONCE: Final = 1_000
"""So many callbacks are replayed by one request."""
_AGAIN: Final = sql_text("""
UPDATE webhooks_received SET state = 'received' WHERE id = ANY (:ids) AND state <> 'received' RETURNING id
""")
_FITTING: Final = sql_text("""
SELECT id FROM webhooks_received
 WHERE state = :state AND provider = coalesce(CAST(:provider AS text), provider)
   AND received_at >= coalesce(CAST(:after AS timestamptz), '-infinity')
   AND id > coalesce(CAST(:cursor AS uuid), '00000000-0000-0000-0000-000000000000')
 ORDER BY id LIMIT :limit
""")

WebhookState = Literal["received", "done", "ignored", "failed"]


class WebhookNotFoundError(CommsError, LookupError):
    """There is no such callback: it never was, or is older than thirty days."""


class WebhookView(msgspec.Struct, frozen=True, kw_only=True):
    """One received callback.

    Attributes:
        event: the provider's name for the event, or for the first of several.
        events: how many events it contains.
        outcome: its outcomes, counted, and the first hundred of them; null until it is applied.
        attempts: how often it was applied.
    """

    id: UUID
    provider: str
    event: str
    events: int
    state: WebhookState
    outcome: dict[str, Any] | None
    attempts: int
    correlation_id: str | None
    received_at: datetime
    processed_at: datetime | None


async def list_webhooks(
    session: PlatformSession,
    *,
    provider: str | None = None,
    state: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Page[WebhookView]:
    """One page of callbacks, newest first; raises `singr_db.pages.InvalidCursor`."""

    def fits(webhook: Any) -> list[ColumnElement[bool]]:
        asked = ((webhook.provider, provider), (webhook.state, state))
        return [column == value for column, value in asked if value is not None]

    page = await search_page(session, select(ReceivedWebhook), fits, entity=ReceivedWebhook, limit=limit, cursor=cursor)
    return Page(tuple(_view(row) for row in page.items), page.next_cursor, page.looked_back_to)


async def read_webhook(session: PlatformSession, webhook_id: UUID) -> WebhookView:
    """One callback; raises WebhookNotFoundError."""
    row = await session.get(ReceivedWebhook, webhook_id, populate_existing=True)
    if row is None:
        raise WebhookNotFoundError("there is no such callback; they are kept for thirty days")
    return _view(row)


async def replay_webhook(session: PlatformSession, webhook_id: UUID, *, reason: str | None = None) -> WebhookView:
    """Have a callback applied once more, by a job; what it changed before it does not change again.

    Raises:
        WebhookNotFoundError: there is none.
    """
    await read_webhook(session, webhook_id)
    await session.execute(_AGAIN, {"ids": [webhook_id]})
    await enqueue(session, ProcessWebhook(webhook_id), organization_id=PLATFORM_ORGANIZATION_ID)
    await log_operation(session, "webhook.replay", str(webhook_id), reason=reason)
    return await read_webhook(session, webhook_id)


async def replay_webhooks(
    session: PlatformSession,
    *,
    state: str,
    provider: str | None = None,
    received_after: datetime | None = None,
    cursor: UUID | None = None,
    reason: str | None = None,
) -> tuple[int, UUID | None]:
    """Have the oldest `MOST_AT_ONCE` callbacks that fit applied once more.

    Args:
        session: of `Database.platform()`, with its transaction open.
        state: what came of them.
        provider: the provider; all by default.
        received_after: since when.
        cursor: the last one of the call before, where this one goes on: what came to the same end fits again.
        reason: for the operation log.

    Returns:
        How many these are, and the last one where there may be more.
    """
    fitting = {"state": state, "provider": provider, "after": received_after, "cursor": cursor, "limit": MOST_AT_ONCE}
    found = list(await session.scalars(_FITTING, fitting))
    again = list(await session.scalars(_AGAIN, {"ids": found}))
    if again:
        jobs = [ProcessWebhook(one) for one in sorted(again)]
        await enqueue_many(session, jobs, organization_id=PLATFORM_ORGANIZATION_ID)
        await log_operation(session, "webhook.replay_many", provider or "*", after={"count": len(again)}, reason=reason)
    return len(again), found[-1] if len(found) == MOST_AT_ONCE else None


def _view(row: ReceivedWebhook) -> WebhookView:
    names = (field for field in WebhookView.__struct_fields__ if field != "state")
    return WebhookView(state=row.state, **{name: getattr(row, name) for name in names})  # type: ignore[arg-type] # checked by the table
