"""Text messages as requests and jobs. A job carries the message's id only, never what the message says."""

from typing import Final
from uuid import UUID

import msgspec

from singr_comms.channels.sms import CHANNEL
from singr_comms.messages import SmsMessage
from singr_comms.models._fields import E164
from singr_comms.notifications._reachable import unreachable_phone
from singr_comms.notifications.channels._work import ChannelWork
from singr_jobs import Queue


class SmsRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send one SMS.

    Args:
        to: phone number in E.164 form.
        message: The message.
        user_id: The user it belongs to, for the limit per user and hour.
    """

    to: E164
    message: SmsMessage
    user_id: UUID | None = None


class SendSms(msgspec.Struct, frozen=True, tag="sms.send"):
    """The job that sends one stored SMS."""

    message_id: UUID


WORK: Final = ChannelWork(
    CHANNEL,
    request=SmsRequest,
    job=SendSms,
    queue=Queue.SMS,
    timeout=30,
    per_hour=lambda limits: limits.sms_per_hour,
    per_day=lambda limits: limits.sms_per_day,
    unreachable=unreachable_phone,
    unreachable_from_code=True,
)
