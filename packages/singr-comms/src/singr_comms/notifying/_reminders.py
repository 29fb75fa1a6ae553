"""Reminders: a notification at a time that something else has, found again by what it is about.

Each is `notify` with a `send_at` and a `deduplication_key`: asked for again, it moves with what it reminds of; who asks
over HTTP sends the same two fields. What is too late already is not made, and taken back where it waits.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from singr_comms.notifying._asked import (
    InvalidNotificationError,
    NotificationFault,
    Target,
    To,
    ZonedTime,
    in_form,
)
from singr_comms.notifying._finding import now_of
from singr_comms.notifying._notify import Notified, notify
from singr_comms.notifying._steering import Cancelled, cancel_by_key, let_go_of_key
from singr_db import Sealer, TenantSession

PICKUP_BEFORE: Final = timedelta(hours=1)
"""So long before the pickup."""
REVIEW_AFTER: Final = timedelta(days=3)
"""So long after the order was picked up."""
REVIEW_WITHIN: Final = timedelta(days=30)
"""So long after the order was picked up, nobody is asked any more."""
RENEWAL_BEFORE: Final = timedelta(weeks=1)
"""So long before the renewal."""


class Reminder(NamedTuple):
    """One use of a time: the type that is sent, and by what name it is found again."""

    type: str
    key: str

    @classmethod
    def of_pickup(cls, order: str) -> "Reminder":
        """Of an order's pickup."""
        return cls("pickup_reminder", f"pickup:{order}")

    @classmethod
    def of_review(cls, order: str) -> "Reminder":
        """Of a review of an order."""
        return cls("review_request", f"review:{order}")

    @classmethod
    def of_renewal(cls, subscription: str) -> "Reminder":
        """Of the renewal of a subscription."""
        return cls("renewal_reminder", f"renewal:{subscription}")


async def remind_of_pickup(
    session: TenantSession, order: str, to: To | Target, *, pickup: datetime, sealer: Sealer, data: Mapping[str, Any]
) -> Notified | None:
    """Remind of a pickup an hour before it, in the caller's transaction; asked for again, that moves.

    Nothing is sent once the pickup has come: one that has moved into the past is taken back.

    Args:
        session: the caller's open transaction.
        order: what is picked up, by the caller's name: one reminder of each.
        to: whom.
        pickup: when (aware).
        sealer: as `notify` takes it.
        data: variables of the type `pickup_reminder`.

    Returns:
        The notification; None where the pickup has come, and there is nothing to remind of.

    Raises:
        InvalidNotificationError: as `notify`.
        NotificationStateError: the reminder has gone out.
    """
    _aware(pickup, "pickup")
    how: dict[str, Any] = {"before": PICKUP_BEFORE, "ends": pickup, "sealer": sealer, "data": data}
    return await _remind(session, Reminder.of_pickup(order), to, **how)


async def ask_for_review(
    session: TenantSession,
    order: str,
    to: To | Target,
    *,
    picked_up: datetime,
    sealer: Sealer,
    data: Mapping[str, Any],
) -> Notified | None:
    """Ask for a review three days after an order was picked up; as `remind_of_pickup`, by the type `review_request`.

    Nobody is asked a month after it was picked up, or later.
    """
    try:
        ends = _aware(picked_up, "picked_up") + REVIEW_WITHIN
    except OverflowError:
        fault = NotificationFault("picked_up", "must be within a year", "out_of_range")
        raise InvalidNotificationError([fault]) from None
    how: dict[str, Any] = {"before": REVIEW_WITHIN - REVIEW_AFTER, "ends": ends, "sealer": sealer, "data": data}
    return await _remind(session, Reminder.of_review(order), to, **how)


async def remind_of_renewal(
    session: TenantSession,
    subscription: str,
    to: To | Target,
    *,
    renewal: datetime,
    sealer: Sealer,
    data: Mapping[str, Any],
) -> Notified | None:
    """Remind of a renewal a week before it; as `remind_of_pickup`, by the type `renewal_reminder`.

    One that is reminded of after the renewal before it is another: that one's reminder may have gone out.
    """
    _aware(renewal, "renewal")
    how: dict[str, Any] = {"before": RENEWAL_BEFORE, "ends": renewal, "sealer": sealer, "data": data}
    return await _remind(session, Reminder.of_renewal(subscription), to, recurs=True, **how)


async def cancel_reminder(session: TenantSession, reminder: Reminder) -> Cancelled | None:
    """Take a reminder back, such as `Reminder.of_pickup("A-17")`; None where there is none."""
    return await cancel_by_key(session, reminder.key)


async def _remind(
    session: TenantSession,
    reminder: Reminder,
    to: To | Target,
    *,
    before: timedelta,
    ends: datetime,
    recurs: bool = False,
    **how: Any,
) -> Notified | None:
    if ends <= await now_of(session):
        await cancel_reminder(session, reminder)
        return None
    send_at = ends - before
    if recurs:
        await let_go_of_key(session, reminder.key, send_at)
    how |= {"send_at": send_at, "expires_at": ends}
    return await notify(session, reminder.type, to, deduplication_key=reminder.key, replace=True, **how)


def _aware(moment: datetime, name: str) -> datetime:
    zoned: Any = ZonedTime
    return cast("datetime", in_form(moment, zoned, name))
