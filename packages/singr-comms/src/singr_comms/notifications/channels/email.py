"""E-mail as requests and jobs. A job carries the message's id only, never what the message says."""

from typing import Final
from uuid import UUID

import msgspec

from singr_comms.channels.email import CHANNEL, EmailAddress
from singr_comms.messages import EmailMessage
from singr_comms.notifications._reachable import unreachable_email
from singr_comms.notifications.channels._work import ChannelWork
from singr_jobs import Queue


class EmailRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send one e-mail.

    Args:
        to: The recipient.
        message: The message.
        user_id: The user it belongs to, for the limit per user and hour.
    """

    to: EmailAddress
    message: EmailMessage
    user_id: UUID | None = None


class SendEmail(msgspec.Struct, frozen=True, tag="email.send"):
    """The job that sends one stored e-mail."""

    message_id: UUID


WORK: Final = ChannelWork(
    CHANNEL,
    request=EmailRequest,
    job=SendEmail,
    queue=Queue.EMAIL,
    timeout=120,
    per_hour=lambda limits: limits.email_per_hour,
    per_day=lambda limits: limits.email_per_day,
    unreachable=unreachable_email,
)
