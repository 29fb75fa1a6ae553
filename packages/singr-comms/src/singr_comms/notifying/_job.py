"""The job that decides who gets a notification, as it is queued."""

from uuid import UUID

import msgspec


class FanOutNotification(msgspec.Struct, frozen=True, tag="notification.fan_out"):
    """Decide who gets a notification; of an older turn than the notification has, there is nothing to do."""

    notification_id: UUID
    turn: int
