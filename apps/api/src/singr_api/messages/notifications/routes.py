"""Telling people: one call that names them and a type, and what became of it."""

from typing import Any, Final
from uuid import UUID

import msgspec

from singr_api.admission.call import Call
from singr_api.admission.idempotency import Reply
from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import CONFLICT, NOT_FOUND
from singr_api.messages.notifications import schemas
from singr_api.messages.notifications.examples import (
    CANCELLED,
    MESSAGE,
    NOTIFICATION,
    READ,
    SEND_CROWD,
    SEND_NAMED,
    SENT,
    SENT_BEFORE,
)
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_comms.notifying import (
    Cancelled,
    NotificationDetail,
    NotificationNotFoundError,
    cancel_notification,
    list_notifications,
    pause_notification,
    read_notification,
    resume_notification,
    store,
)
from singr_db import TenantSession

notifications = Section("Notifications", access=Access.CALLER, scope="notifications:read")
_CHANGES: Final[dict[str, Any]] = {
    "query": OrganizationQuery,
    "scope": "notifications:write",
    "idempotent": True,
    "one_factor": "It is the organization's daily work, and gives nobody lasting power.",
}
_AS_IT_STANDS: Final = Answer("The notification as it now stands.", read=Example("A notification", READ))
_MADE: Final = 202


@notifications.route(
    "POST /v1/notifications",
    "sendNotification",
    Answer("The notification is stored.", status=_MADE, of=schemas.Accepted, sent=Example("Stored", SENT)),
    Answer(
        "Its deduplication key is already known: the first notification, rescheduled if `replace` says so.",
        of=schemas.Accepted,
        known=Example("Already known", SENT_BEFORE),
    ),
    body_examples={"named": SEND_NAMED, "topic": SEND_CROWD},
    problems=(CONFLICT,),
    **_CHANGES,
)
async def send(session: TenantSession, services: Services, call: Call, body: schemas.SendNotification) -> Reply:
    """Send a notification.

    Who gets it, and through which channel, is decided at its scheduled time, by the addresses, devices and choices at
    that moment; a person who gets nothing has a message with the reason. All errors are reported together, by path, and
    nothing is stored in that case. If the credential is revoked, or its person may no longer send notifications, what
    waits of the notification is cancelled.
    """
    told = await store(
        session,
        body.request(),
        sealer=services.sealer,
        allow_test=services.allow_test,
        intake=services.message_intake,
        created_by=call.principal.key_id,
    )
    accepted = schemas.Accepted(told.id, told.state, told.is_new)  # type: ignore[arg-type] # a state of the table
    return Reply(_MADE if told.is_new else 200, msgspec.json.encode(accepted))


@notifications.route("GET /v1/notifications", "listNotifications", page_with(NOTIFICATION))
async def index(session: TenantSession, query: schemas.NotificationQuery) -> schemas.NotificationPage:
    """List notifications.

    Newest first. Cancelled and completed notifications are kept as long as messages of their
    category: 90 days, 30 for `marketing`, by default.
    """
    page = await list_notifications(
        session,
        type=query.type,
        state=query.state,
        deduplication_key=query.deduplication_key,
        limit=query.limit,
        cursor=query.cursor,
    )
    return schemas.NotificationPage.of(page)


@notifications.route(
    "GET /v1/notifications/{notification_id}", "readNotification", _AS_IT_STANDS, query=OrganizationQuery
)
async def read(session: TenantSession, notification_id: UUID) -> NotificationDetail:
    """Read a notification and its progress.

    With the outcome of its messages so far, by channel, status and reason.
    """
    return await _read(session, notification_id)


@notifications.route("GET /v1/notifications/{notification_id}/messages", "listNotificationMessages", page_with(MESSAGE))
async def messages(
    session: TenantSession, services: Services, notification_id: UUID, query: schemas.MessagesQuery
) -> schemas.NotificationMessages:
    """List a notification's messages.

    Newest first, including those that a decision kept from being sent. Recipients are masked; message content is not
    shown.
    """
    await _read(session, notification_id)
    page = await services.deliveries.list(
        session,
        notification_id=notification_id,
        channel=query.channel,
        status=query.status,
        limit=query.limit,
        cursor=query.cursor,
    )
    return schemas.NotificationMessages.of(page)


@notifications.route(
    "POST /v1/notifications/{notification_id}/cancel",
    "cancelNotification",
    Answer("The outcome of its messages.", cancelled=Example("Cancelled halfway", CANCELLED)),
    body_examples={
        "some": Example("For one recipient only", {"recipients": ["u-17"]}),
        "all": Example("For everybody", {}),
    },
    problems=(NOT_FOUND,),
    **_CHANGES,
)
async def cancel(
    session: TenantSession, notification_id: UUID, body: schemas.CancelNotification | None = None
) -> Cancelled:
    """Cancel a notification.

    Takes effect at once: what is undecided stays undecided, and what is waiting is not sent. `stopped` counts messages
    that this stopped, `already_sent` those that a provider had already accepted, `in_flight` those for which a provider
    is being called. Recipients whose turn had not come have no message to count.
    """
    return await cancel_notification(session, notification_id, recipients=None if body is None else body.recipients)


@notifications.route(
    "POST /v1/notifications/{notification_id}/pause",
    "pauseNotification",
    _AS_IT_STANDS,
    problems=(NOT_FOUND, CONFLICT),
    **_CHANGES,
)
async def pause(session: TenantSession, notification_id: UUID) -> NotificationDetail:
    """Pause a notification.

    Nothing more is decided, and waiting messages are not sent, until it is resumed.
    """
    await pause_notification(session, notification_id)
    return await _read(session, notification_id)


@notifications.route(
    "POST /v1/notifications/{notification_id}/resume",
    "resumeNotification",
    _AS_IT_STANDS,
    problems=(NOT_FOUND, CONFLICT),
    **_CHANGES,
)
async def resume(session: TenantSession, notification_id: UUID) -> NotificationDetail:
    """Resume a notification.

    It continues where it was paused. Messages that waited in the meantime are sent within a minute. If `per_minute` is
    set, the next recipients are decided when they would have been, or at once if that time has passed.
    """
    await resume_notification(session, notification_id)
    return await _read(session, notification_id)


async def _read(session: TenantSession, notification_id: UUID) -> NotificationDetail:
    found = await read_notification(session, notification_id)
    if found is None:
        raise NotificationNotFoundError(notification_id)
    return found
