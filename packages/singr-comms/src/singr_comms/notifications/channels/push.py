"""Pushes as requests and jobs. A job carries the message's id only, never what the message says."""

from typing import Final
from uuid import UUID

import msgspec

from singr_comms.channels.push import CHANNEL
from singr_comms.messages import PushMessage
from singr_comms.models._fields import DeviceToken
from singr_comms.notifications.channels._work import ChannelWork
from singr_jobs import Queue


class PushRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send one push.

    Args:
        to: registration token of the device, as Firebase gave it to the app.
        message: The message.
        user_id: The user it belongs to, for the limit per user and hour.
    """

    to: DeviceToken
    message: PushMessage
    user_id: UUID | None = None


class SendPush(msgspec.Struct, frozen=True, tag="push.send"):
    """The job that sends one stored push."""

    message_id: UUID


WORK: Final = ChannelWork(
    CHANNEL,
    request=PushRequest,
    job=SendPush,
    queue=Queue.PUSH,
    timeout=30,
    per_hour=lambda limits: limits.push_per_hour,
    per_day=lambda limits: limits.push_per_day,
)
