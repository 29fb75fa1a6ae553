"""Notifications as their readers see them: where they stand, and what became of their messages."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import select

from singr_comms.notifying import _sql as sql
from singr_comms.notifying._asked import in_form
from singr_comms.notifying.digests._joining import Period
from singr_comms.notifying.memory._model import MemoryNotification
from singr_comms.notifying.memory._store import KeepsNotifications
from singr_db import TenantSession
from singr_db.pages import Page, fetch_page
from singr_db.tables import Notification
from singr_jobs import Priority

_DEFAULT_LIMIT: Final = 20
State = Literal["scheduled", "deciding", "sending", "done", "cancelled"]


class NotificationAudience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """The recipients: `named`, how many; members of a `topic`; those with all of the `tags`; or `all`."""

    kind: Literal["named", "topic", "tags", "all"]
    named: int | None = None
    topic: str | None = None
    tags: tuple[str, ...] | None = None


class NotificationView(msgspec.Struct, frozen=True, kw_only=True):
    """One notification.

    Attributes:
        state: `scheduled` until its time; `deciding` while recipients are being decided; `sending` until its messages
            have an outcome; then `done`, or `cancelled`.
        is_paused: nothing is decided or sent until it is resumed.
        decided: recipients decided so far.
        digest: it waits for the recipient's next digest of this period.
        asked_by: a credential's key id, or `user:` and an id; null if the platform's own code requested it.
    """

    id: UUID
    type: str
    audience: NotificationAudience
    channels: tuple[str, ...]
    priority: str
    per_minute: int | None
    digest: Period | None
    send_at: datetime | None
    expires_at: datetime | None
    deduplication_key: str | None
    state: State
    is_paused: bool
    decided: int
    job_id: UUID | None
    correlation_id: str | None
    asked_by: str | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None


class MessageCount(msgspec.Struct, frozen=True):
    """The number of messages by channel and outcome: `reason` is why they failed, were not sent, or are in doubt."""

    channel: str
    status: str
    reason: str | None
    messages: int


class NotificationDetail(NotificationView, frozen=True, kw_only=True):
    """A notification, with the outcome of its messages.

    Attributes:
        messages: how many messages there are so far.
        counts: their number by channel, status and reason.
    """

    messages: int
    counts: tuple[MessageCount, ...]


async def list_notifications(
    session: TenantSession,
    *,
    type: str | None = None,  # noqa: A002 - as it is called over HTTP
    state: str | None = None,
    deduplication_key: str | None = None,
    limit: int = _DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page[NotificationView]:
    """One page of the organization's notifications, newest first.

    Args:
        session: fences the query to its organization.
        type: only those of this type.
        state: only those that stand here.
        deduplication_key: only those of this key: one that was not cancelled, and those that were.
        limit: how many on a page, 1 or more.
        cursor: `next_cursor` of the page before.

    Raises:
        singr_db.pages.InvalidCursor: The cursor is malformed.
        InvalidNotificationError: what is asked for has not its form.
    """
    statement = select(Notification).where(Notification.organization_id == session.organization_id)
    given = (
        (Notification.type, type),
        (Notification.state, state),
        (Notification.deduplication_key, deduplication_key),
    )
    for column, value in given:
        form: Any = State | None if column is Notification.state else str | None
        if in_form(value, form, column.key) is not None:
            statement = statement.where(column == value)
    page = await fetch_page(session, statement, key=Notification.id, limit=limit, cursor=cursor)
    return Page(tuple(NotificationView(**_fields(row)) for row in page.items), page.next_cursor)


async def read_notification(session: TenantSession, notification_id: UUID) -> NotificationDetail | None:
    """One notification with what became of its messages; None when this organization has none of that id.

    Raises:
        InvalidNotificationError: the id is no UUID.
    """
    notification_id = in_form(notification_id, UUID, "notification_id")
    which = {"id": notification_id, "organization_id": session.organization_id}
    row: Any
    found: Iterable[Any]
    if isinstance(session, KeepsNotifications):
        row = session.notifications.all.get(notification_id)
        found = session.notifications.counts(notification_id)
    else:
        row = await session.scalar(
            select(Notification).where(
                Notification.id == notification_id, Notification.organization_id == session.organization_id
            )
        )
        found = (await session.execute(sql.COUNTS, which)).all() if row is not None else ()
    if row is None:
        return None
    counts = tuple(MessageCount(*one) for one in found)
    return NotificationDetail(**_fields(row), messages=sum(one.messages for one in counts), counts=counts)


def _fields(row: Notification | MemoryNotification) -> dict[str, Any]:
    return {
        "id": row.id,
        "type": row.type,
        "audience": msgspec.convert(row.audience, NotificationAudience),
        "channels": tuple(row.channels),
        "priority": Priority(row.priority).name.lower(),
        "per_minute": row.per_minute,
        "digest": row.digest,
        "send_at": row.send_at,
        "expires_at": row.expires_at,
        "deduplication_key": row.deduplication_key,
        "state": row.state,
        "is_paused": row.paused_at is not None,
        "decided": row.decided,
        "job_id": row.job_id,
        "correlation_id": row.correlation_id,
        "asked_by": row.created_by,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "ended_at": row.ended_at,
    }
