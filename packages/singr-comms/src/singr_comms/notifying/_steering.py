"""Cancelling, pausing and resuming: in the caller's transaction, with counts that are true when it commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from singr_comms.catalogue._given import is_name
from singr_comms.notifying import _sql as sql
from singr_comms.notifying._asked import (
    ExternalId,
    InvalidNotificationError,
    NotificationFault,
    NotificationNotFoundError,
    NotificationStateError,
    in_form,
)
from singr_comms.notifying._finding import recipients_named
from singr_comms.notifying._queueing import give_to_job
from singr_comms.notifying._words import CANCELLED
from singr_comms.notifying.memory._store import KeepsNotifications
from singr_db import TenantSession
from singr_jobs import cancel_jobs

_BITE: Final = 5_000
_FIRST: Final = UUID(int=0)
_CANCELLED: Final = msgspec.json.encode(CANCELLED).decode()
_ENDED: Final = ("done", "cancelled")


class Cancelled(msgspec.Struct, frozen=True):
    """The outcome of a cancellation for a notification's messages.

    Attributes:
        stopped: messages that will not be sent, or will be left out of a digest.
        already_sent: messages that a provider had already accepted.
        in_flight: messages for which a provider has been called, or may have accepted: their outcome is not known yet.
    """

    stopped: int
    already_sent: int
    in_flight: int


async def cancel_notification(
    session: TenantSession, notification_id: UUID, *, recipients: Sequence[str] | None = None
) -> Cancelled:
    """Stop a notification, or leave some recipients out: what is not decided is not, what waits is not sent.

    Messages count from when they were decided: of recipients whose turn had not come, there are none to count.

    Args:
        session: the caller's open transaction; no message that it stopped is sent once that has committed.
        notification_id: which.
        recipients: only these, by the organization's own ids, instead of everybody.

    Raises:
        NotificationNotFoundError: there is no such notification in this organization.
        InvalidNotificationError: a value has not its form, or one of the recipients is none of the organization's.
    """
    names: Any = list[ExternalId] | None
    recipients = in_form(recipients, names, "recipients")
    row = await _lock(session, notification_id)
    which = {"id": notification_id, "organization_id": session.organization_id}
    ids = None if recipients is None else await _recipients(session, recipients)
    if isinstance(session, KeepsNotifications):
        return Cancelled(*session.notifications.cancel(row, ids), in_flight=0)
    if ids is None and row.state not in _ENDED:
        await session.execute(sql.CANCEL, which)
    elif ids is not None and row.state in {"scheduled", "deciding"}:
        await session.execute(sql.WITHHOLD, {**which, "recipients": ids})
    stopped = await _stop(session, which, ids)
    values = {**which, "recipients": ids, "error": _CANCELLED}
    stopped += await session.scalar(sql.WITHDRAW[_whose(ids)], values) or 0
    so_far = (await session.execute(sql.SO_FAR[_whose(ids)], values)).one()
    return Cancelled(stopped, so_far.already_sent, so_far.in_flight)


async def cancel_by_key(session: TenantSession, deduplication_key: str) -> Cancelled | None:
    """Stop the notification that has a deduplication key, as `cancel_notification`; None where none has it."""
    if not is_name(deduplication_key):
        return None
    if isinstance(session, KeepsNotifications):
        held: Any = session.notifications.by_key(deduplication_key)
    else:
        which = {"organization_id": session.organization_id, "deduplication_key": deduplication_key}
        held = (await session.execute(sql.BY_KEY, which)).one_or_none()
    return None if held is None else await cancel_notification(session, held.id)


async def let_go_of_key(session: TenantSession, deduplication_key: str, moment: datetime) -> None:
    """Let another have the key of one that has begun, and is over by a moment."""
    if not is_name(deduplication_key):
        return
    if isinstance(session, KeepsNotifications):
        session.notifications.let_go_of_key(deduplication_key, moment)
        return
    which = {"organization_id": session.organization_id, "deduplication_key": deduplication_key}
    await session.execute(sql.LET_GO, {**which, "moment": moment})


async def pause_notification(session: TenantSession, notification_id: UUID) -> None:
    """Decide no further, and send nothing of what waits, until it is resumed; again is as once.

    Raises:
        NotificationNotFoundError: there is no such notification in this organization.
        NotificationStateError: it has ended.
    """
    row = await _lock(session, notification_id)
    if row.state in _ENDED:
        raise NotificationStateError(row.id, row.state, f"the notification is {row.state} already")
    if isinstance(session, KeepsNotifications):
        session.notifications.pause(row)
        return
    await session.execute(sql.PAUSE, {"id": row.id, "organization_id": session.organization_id})


async def resume_notification(session: TenantSession, notification_id: UUID) -> None:
    """Let a paused one go on; one that is not paused goes on as it is.

    Where it has a rate (`per_minute`), the next recipients are decided when they would have been, or at once where that
    has passed.

    Raises:
        NotificationNotFoundError: there is no such notification in this organization.
        NotificationStateError: it has ended.
    """
    row = await _lock(session, notification_id)
    if row.state in _ENDED:
        raise NotificationStateError(row.id, row.state, f"the notification is {row.state} already")
    if row.paused_at is None:
        return
    if isinstance(session, KeepsNotifications):
        session.notifications.resume(row)
        return
    which = {"id": row.id, "organization_id": session.organization_id}
    turn = (await session.execute(sql.RESUME, which)).scalar_one()
    if row.state != "sending":
        was_due = await session.scalar(sql.WAS_DUE, which | {"job_id": row.job_id})
        await give_to_job(session, which, turn, priority=row.priority, run_at=was_due)


async def _lock(session: TenantSession, notification_id: UUID) -> Any:
    """Its row, after the bite that is on its way has been committed."""
    notification_id = in_form(notification_id, UUID, "notification_id")
    which = {"id": notification_id, "organization_id": session.organization_id}
    row: Any
    if isinstance(session, KeepsNotifications):
        row = session.notifications.all.get(notification_id)
    else:
        row = (await session.execute(sql.LOCK, which)).one_or_none()
    if row is None:
        raise NotificationNotFoundError(notification_id)
    return row


async def _recipients(session: TenantSession, recipients: Sequence[str]) -> list[UUID]:
    known = {row.external_id: row.id for row in await recipients_named(session, recipients)}
    faults = [
        NotificationFault(f"recipients[{place}]", "is not a recipient of this organization", "not_found")
        for place, one in enumerate(recipients)
        if one not in known
    ]
    if faults:
        raise InvalidNotificationError(faults)
    return [known[one] for one in dict.fromkeys(recipients)]


async def _stop(session: TenantSession, which: dict[str, Any], recipients: list[UUID] | None) -> int:
    stopped, after = 0, _FIRST
    while True:
        values = {**which, "recipients": recipients, "after": after, "limit": _BITE, "error": _CANCELLED}
        ids = list(await session.scalars(sql.STOP[_whose(recipients)], values))
        # A message of a notification has the id of its job.
        await cancel_jobs(session, ids, organization_id=which["organization_id"])
        stopped += len(ids)
        if len(ids) < _BITE:
            return stopped
        after = max(ids)


def _whose(recipients: list[UUID] | None) -> str:
    return "everybody" if recipients is None else "some"
