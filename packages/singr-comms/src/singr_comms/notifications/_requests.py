"""What callers ask for, and the jobs that do it. A job carries the message's id only, never what the message says."""

from uuid import UUID

import msgspec

from singr_comms.catalogue._fields import E164
from singr_comms.messages._messages import EmailAddress, EmailMessage, SmsMessage


class EmailRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send one e-mail.

    Args:
        to: The recipient.
        message: What to say.
        user_id: Whose message it is; the limit per user and hour counts by it.
    """

    to: EmailAddress
    message: EmailMessage
    user_id: UUID | None = None


class SmsRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send one SMS.

    Args:
        to: Phone number in E.164 form.
        message: What to say.
        user_id: Whose message it is; the limit per user and hour counts by it.
    """

    to: E164
    message: SmsMessage
    user_id: UUID | None = None


class SendEmail(msgspec.Struct, frozen=True, tag="email.send"):
    """The job that sends one stored e-mail."""

    message_id: UUID


class SendSms(msgspec.Struct, frozen=True, tag="sms.send"):
    """The job that sends one stored SMS."""

    message_id: UUID
