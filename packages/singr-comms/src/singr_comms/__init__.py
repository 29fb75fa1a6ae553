"""Messages in typed form, their words, and the providers that deliver them.

This core needs neither database nor queue. The send ledger, jobs and the delivery log on top are in
``singr_comms.notifications`` (extra ``notifications``).
"""

from singr_comms._errors import (
    AccountRefusedError,
    CommsError,
    InvalidMessageError,
    PermanentSendError,
    SendError,
    TooManyRequestsError,
    TransientError,
    UnknownOutcomeError,
    UnsafeProviderError,
)
from singr_comms._links import Links, SiteUrls
from singr_comms._masking import mask_email, mask_phone
from singr_comms.catalogue._fields import E164, EmailText
from singr_comms.channels._ports import BulkEmailProvider, EmailProvider, SendReceipt, SmsProvider
from singr_comms.messages._messages import (
    CODE_KINDS,
    SECURITY_KINDS,
    EmailAddress,
    EmailChange,
    EmailChanged,
    EmailEnvelope,
    EmailMessage,
    Invitation,
    MagicLink,
    MagicLinkSms,
    PasswordReset,
    PlainSms,
    SecurityEvent,
    SecurityNotice,
    SmsEnvelope,
    SmsMessage,
    SongRequest,
    SongRequestSms,
    TwoFactorCode,
    TwoFactorCodeSms,
    Verification,
    VerificationCodeSms,
    Welcome,
    check_email,
    check_sms,
    kind_of,
)
from singr_comms.providers._factory import (
    UnknownProviderError,
    check_settings,
    email_provider,
    phone_verifier,
    sms_provider,
)
from singr_comms.providers._http import TraceHeaders
from singr_comms.providers.console import ConsoleEmailProvider, ConsoleSmsProvider
from singr_comms.providers.mailjet import MailjetProvider
from singr_comms.providers.memory import MemoryEmailProvider, MemorySmsProvider
from singr_comms.providers.smtp import SmtpProvider
from singr_comms.providers.twilio import TwilioProvider
from singr_comms.rendering._render import RenderedEmail, render_email, render_sms
from singr_comms.rendering._segments import SmsSegments, sms_segments
from singr_comms.verifiers.console import ConsoleVerify
from singr_comms.verifiers.twilio import TwilioVerify

__all__ = [
    "CODE_KINDS",
    "E164",
    "SECURITY_KINDS",
    "AccountRefusedError",
    "BulkEmailProvider",
    "CommsError",
    "ConsoleEmailProvider",
    "ConsoleSmsProvider",
    "ConsoleVerify",
    "EmailAddress",
    "EmailChange",
    "EmailChanged",
    "EmailEnvelope",
    "EmailMessage",
    "EmailProvider",
    "EmailText",
    "InvalidMessageError",
    "Invitation",
    "Links",
    "MagicLink",
    "MagicLinkSms",
    "MailjetProvider",
    "MemoryEmailProvider",
    "MemorySmsProvider",
    "PasswordReset",
    "PermanentSendError",
    "PlainSms",
    "RenderedEmail",
    "SecurityEvent",
    "SecurityNotice",
    "SendError",
    "SendReceipt",
    "SiteUrls",
    "SmsEnvelope",
    "SmsMessage",
    "SmsProvider",
    "SmsSegments",
    "SmtpProvider",
    "SongRequest",
    "SongRequestSms",
    "TooManyRequestsError",
    "TraceHeaders",
    "TransientError",
    "TwilioProvider",
    "TwilioVerify",
    "TwoFactorCode",
    "TwoFactorCodeSms",
    "UnknownOutcomeError",
    "UnknownProviderError",
    "UnsafeProviderError",
    "Verification",
    "VerificationCodeSms",
    "Welcome",
    "check_email",
    "check_settings",
    "check_sms",
    "email_provider",
    "kind_of",
    "mask_email",
    "mask_phone",
    "phone_verifier",
    "render_email",
    "render_sms",
    "sms_provider",
    "sms_segments",
]
