"""The job that decides who gets a notification, as it is queued."""

from uuid import UUID

import msgspec


class FanOutNotification(msgspec.Struct, frozen=True, tag="notification.fan_out"):
    """Decide who gets a notification.

    Attributes:
        notification_id: which.
        turn: the notification's number of jobs that went on with it: whatever queues the next one raises it in the same
            transaction, so that an older job finds another number, and has nothing to do.
    """

    notification_id: UUID
    turn: int
