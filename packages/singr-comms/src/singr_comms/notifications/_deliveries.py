"""The delivery log as its readers see it: recipients masked, contents not at all."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Select, literal_column, select
from sqlalchemy.orm import defer

from singr_comms.notifications._rows import prints_of
from singr_comms.notifications.reading._story import (
    DeliveryDecision,
    DeliveryRequest,
    DeliveryResolution,
    decision_on,
    request_of,
    resolutions_of,
)
from singr_db import PlatformSession, Sealer, TenantSession, first_id
from singr_db.pages import Page, search_page
from singr_db.tables import Message, MessageAttempt, MessageEvent

_DEFAULT_LIMIT: Final = 20
# Ids are made in the application, created_at in the database: their clocks may differ by so much.
_CLOCK_SLACK: Final = timedelta(minutes=10)
# Written out, since a parameter would not let PostgreSQL see that the index `messages_by_failure` holds all of them.
_INDEXED: Final[Mapping[str, ColumnElement[str]]] = {
    status: literal_column(f"'{status}'") for status in ("unknown", "failed")
}
MOST_TOLD: Final = 100
"""So many attempts, and so many events, are told of one message."""


class DeliveryError(msgspec.Struct, frozen=True):
    """Why a message or an attempt failed: a stable code, and words for people."""

    code: str
    message: str


class DeliveryAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a provider. `in_doubt`: it is not known whether it accepted the message."""

    attempt: int
    provider: str
    status: str
    in_doubt: bool
    provider_message_id: str | None
    error: DeliveryError | None
    started_at: datetime
    finished_at: datetime | None


class DeliveryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's report about a message: by callback, in its own word, or when it was asked (`look_up`).

    `status` is the message's status according to it; null if it changes nothing. `applied` says whether it took effect:
    a late or out-of-order report never moves a message backwards. `occurred_at` is by the provider's clock; for a
    look-up, when it was last asked with the same result. `webhook_id` is the callback, which platform operators can
    read.
    """

    source: Literal["callback", "look_up"]
    provider: str
    event: str
    status: str | None
    applied: bool
    error: DeliveryError | None
    webhook_id: UUID | None
    occurred_at: datetime | None
    received_at: datetime


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `recipient` is masked; `attempt_count` counts provider calls."""

    id: UUID
    job_id: UUID | None
    user_id: UUID | None
    channel: str
    kind: str
    status: str
    recipient: str
    provider: str | None
    provider_message_id: str | None
    error: DeliveryError | None
    attempt_count: int
    correlation_id: str | None
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    updated_at: datetime


class DeliveryDetail(Delivery, frozen=True, kw_only=True):
    """One message and its whole history; lists are oldest first.

    Attributes:
        request: the job that sends it; null once that is deleted.
        decision: what allowed it, or stopped it.
        attempts: the calls of providers.
        events: what providers reported since, by callback or when asked.
        resolutions: how people resolved it while it was in doubt.
        is_whole: false if it has more than the last 100 attempts or events shown here.
    """

    request: DeliveryRequest | None
    decision: DeliveryDecision
    attempts: tuple[DeliveryAttempt, ...]
    events: tuple[DeliveryEvent, ...]
    resolutions: tuple[DeliveryResolution, ...]
    is_whole: bool


class Deliveries:
    """Reads the delivery log of the organization that a session is fenced to.

    Args:
        sealer: finds messages by recipient, those of before a key rotation included.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def list(
        self,
        session: TenantSession,
        *,
        channel: str | None = None,
        status: str | None = None,
        kind: str | None = None,
        job_id: UUID | None = None,
        notification_id: UUID | None = None,
        recipient: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int = _DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> Page[Delivery]:
        """One page of messages, newest first; looks through 10,000 of them, and says how far it looked.

        Those in doubt or failed are looked through by themselves, however many newer ones there are of other kinds.

        Args:
            session: fences the query to its organization.
            channel: `email`, `sms`, `push` or `inbox`.
            status: a message status.
            kind: a message kind.
            job_id: only the messages of this job.
            notification_id: only those of this notification.
            recipient: an address or phone number in full; it is looked up by its fingerprint.
            created_after: inclusive, aware.
            created_before: exclusive, aware.
            limit: messages on a page, 1 or more.
            cursor: `next_cursor` of the page before.

        Raises:
            singr_db.pages.InvalidCursor: The cursor is malformed.
        """
        statement = select(Message).where(Message.organization_id == session.organization_id)
        if job_id is not None:
            statement = statement.where(Message.job_id == job_id)
        if notification_id is not None:
            statement = statement.where(Message.notification_id == notification_id)
        if recipient is not None:
            prints = prints_of(self._sealer, recipient)
            statement = statement.where(Message.recipient_hash.in_(prints))
        # Where another index leads, it is to lead: what it finds is asked for its status.
        is_led = job_id is not None or notification_id is not None or recipient is not None
        indexed = None if is_led or status is None else _INDEXED.get(status)
        if indexed is not None:
            statement, status = statement.where(Message.status == indexed), None
        # The bounds on the id spare the partitions of other weeks.
        if created_after is not None:
            lowest = first_id(created_after - _CLOCK_SLACK)
            statement = statement.where(Message.id >= lowest)
        if created_before is not None:
            highest = first_id(created_before + _CLOCK_SLACK)
            statement = statement.where(Message.id < highest)

        def fits(message: Any) -> list[ColumnElement[bool]]:
            equal = ((message.channel, channel), (message.status, status), (message.kind, kind))
            asked = [column == value for column, value in equal if value is not None]
            if created_after is not None:
                asked.append(message.created_at >= created_after)
            if created_before is not None:
                asked.append(message.created_at < created_before)
            return asked

        page = await search_page(
            session, statement, fits, entity=Message, limit=limit, cursor=cursor, options=_without_seals
        )
        return Page(tuple(Delivery(**_fields(row)) for row in page.items), page.next_cursor, page.looked_back_to)

    async def read(self, session: TenantSession | PlatformSession, message_id: UUID) -> DeliveryDetail | None:
        """One message with all that led to where it stands; None when this organization has none of that id."""
        row = await session.scalar(select(Message).options(*_without_seals(Message)).where(Message.id == message_id))
        if row is None:
            return None
        tried = select(MessageAttempt).where(MessageAttempt.message_id == message_id)
        attempts = await _last(session, tried.order_by(MessageAttempt.attempt.desc()))
        told = select(MessageEvent).where(MessageEvent.message_id == message_id)
        order = (MessageEvent.received_at.desc(), MessageEvent.key_hash)
        events = await _last(session, told.order_by(*order))
        return DeliveryDetail(
            **_fields(row),
            request=await request_of(session, row),
            decision=await decision_on(session, row),
            attempts=tuple(_attempt(one) for one in attempts[-MOST_TOLD:]),
            events=tuple(_event(one) for one in events[-MOST_TOLD:]),
            resolutions=await resolutions_of(session, row),
            is_whole=max(len(attempts), len(events)) <= MOST_TOLD,
        )


async def _last(session: TenantSession | PlatformSession, newest_first: Select[Any]) -> list[Any]:
    """The last ones, oldest first, and one more where there are more than are told."""
    return list(await session.scalars(newest_first.limit(MOST_TOLD + 1)))[::-1]


def _without_seals(message: Any) -> list[Any]:
    sealed = (message.recipient_sealed, message.recipient_hash, message.content_sealed)
    return [defer(column, raiseload=True) for column in sealed]


def _fields(row: Message) -> dict[str, Any]:
    return {
        "id": row.id,
        "job_id": row.job_id,
        "user_id": row.user_id,
        "channel": row.channel,
        "kind": row.kind,
        "status": row.status,
        "recipient": row.recipient_masked,
        "provider": row.provider,
        "provider_message_id": row.provider_message_id,
        "error": _error(row.error),
        "attempt_count": row.attempts,
        "correlation_id": row.correlation_id,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
        "delivered_at": row.delivered_at,
        "updated_at": row.updated_at,
    }


def _attempt(row: MessageAttempt) -> DeliveryAttempt:
    return DeliveryAttempt(
        attempt=row.attempt,
        provider=row.provider,
        status=row.status,
        in_doubt=row.status == "unknown",
        provider_message_id=row.provider_message_id,
        error=_error(row.error),
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _event(row: MessageEvent) -> DeliveryEvent:
    return DeliveryEvent(
        source="look_up" if row.webhook_id is None else "callback",
        webhook_id=row.webhook_id,
        provider=row.provider,
        event=row.event,
        status=row.state,
        applied=row.raised,
        error=_error(row.error),
        occurred_at=row.occurred_at,
        received_at=row.received_at,
    )


def _error(stored: Any) -> DeliveryError | None:
    if not isinstance(stored, dict):
        return None
    return DeliveryError(str(stored.get("code", "unknown")), str(stored.get("message", "")))
