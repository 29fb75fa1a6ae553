"""Messages in typed form, their words, and the providers that deliver them.

This core needs neither database nor queue. The send ledger, jobs and the delivery log on top are in
`singr_comms.notifications` (extra `notifications`).
"""

from singr_comms._errors import (
    AccountRefusedError,
    CommsError,
    DeclarationError,
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
from singr_comms._preview import Preview, UnknownTypeError, message_from, preview
from singr_comms.catalogue import Message, MessageType, MessageTypes, message_types
from singr_comms.catalogue._filling import InvalidDataError, filled
from singr_comms.channels._channel import Closes, LooksUp, SendReceipt
from singr_comms.channels.email import (
    BulkEmailProvider,
    EmailAddress,
    EmailEnvelope,
    EmailProvider,
    RenderedEmail,
    check_email,
    render_email,
    render_envelope,
)
from singr_comms.channels.push import PushEnvelope, PushProvider, RenderedPush, check_push, render_push
from singr_comms.channels.sms import SmsEnvelope, SmsProvider, check_sms, render_sms
from singr_comms.messages import CODE_KINDS, SECURITY_KINDS, EmailMessage, PushMessage, SmsMessage
from singr_comms.messages.email_change import EmailChange
from singr_comms.messages.email_changed import EmailChanged
from singr_comms.messages.invitation import Invitation
from singr_comms.messages.magic_link import MagicLink, MagicLinkSms
from singr_comms.messages.password_reset import PasswordReset, PasswordResetSms
from singr_comms.messages.plain import PlainPush, PlainSms
from singr_comms.messages.security_notice import SecurityNotice
from singr_comms.messages.song_request import SongRequest, SongRequestSms
from singr_comms.messages.two_factor_code import TwoFactorCode, TwoFactorCodeSms
from singr_comms.messages.verification import Verification
from singr_comms.messages.verification_code import VerificationCodeSms
from singr_comms.messages.welcome import Welcome
from singr_comms.models._fields import E164, DeviceToken, EmailText
from singr_comms.models._message import kind_of
from singr_comms.providers._console import ConsoleEmailProvider, ConsolePushProvider, ConsoleSmsProvider
from singr_comms.providers._factory import (
    UnknownProviderError,
    check_settings,
    email_provider,
    phone_verifier,
    push_provider,
    sms_provider,
)
from singr_comms.providers._http import TraceHeaders
from singr_comms.providers._memory import MemoryEmailProvider, MemoryPushProvider, MemorySmsProvider
from singr_comms.providers.fcm import FcmProvider
from singr_comms.providers.mailjet import MailjetProvider
from singr_comms.providers.resend import ResendProvider
from singr_comms.providers.salum import SalumProvider
from singr_comms.providers.smtp import SmtpProvider
from singr_comms.providers.twilio import TwilioProvider
from singr_comms.rendering._segments import SmsSegments, sms_segments
from singr_comms.verifiers.console import ConsoleVerify
from singr_comms.verifiers.twilio import TwilioVerify
from singr_config.constants import SecurityEvent

__all__ = [
    "CODE_KINDS",
    "E164",
    "SECURITY_KINDS",
    "AccountRefusedError",
    "BulkEmailProvider",
    "Closes",
    "CommsError",
    "ConsoleEmailProvider",
    "ConsolePushProvider",
    "ConsoleSmsProvider",
    "ConsoleVerify",
    "DeclarationError",
    "DeviceToken",
    "EmailAddress",
    "EmailChange",
    "EmailChanged",
    "EmailEnvelope",
    "EmailMessage",
    "EmailProvider",
    "EmailText",
    "FcmProvider",
    "InvalidDataError",
    "InvalidMessageError",
    "Invitation",
    "Links",
    "LooksUp",
    "MagicLink",
    "MagicLinkSms",
    "MailjetProvider",
    "MemoryEmailProvider",
    "MemoryPushProvider",
    "MemorySmsProvider",
    "Message",
    "MessageType",
    "MessageTypes",
    "PasswordReset",
    "PasswordResetSms",
    "PermanentSendError",
    "PlainPush",
    "PlainSms",
    "Preview",
    "PushEnvelope",
    "PushMessage",
    "PushProvider",
    "RenderedEmail",
    "RenderedPush",
    "ResendProvider",
    "SalumProvider",
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
    "UnknownTypeError",
    "UnsafeProviderError",
    "Verification",
    "VerificationCodeSms",
    "Welcome",
    "check_email",
    "check_push",
    "check_settings",
    "check_sms",
    "email_provider",
    "filled",
    "kind_of",
    "mask_email",
    "mask_phone",
    "message_from",
    "message_types",
    "phone_verifier",
    "preview",
    "push_provider",
    "render_email",
    "render_envelope",
    "render_push",
    "render_sms",
    "sms_provider",
    "sms_segments",
]
