"""Sections for the providers that deliver messages, and their names."""

from enum import StrEnum
from typing import Annotated

import msgspec

from singr_config.sections._variable import Variable, When
from singr_config.values._holds_secrets import HoldsSecrets
from singr_config.values._kinds import (
    boolean,
    choice,
    e164,
    email_address,
    host_name,
    integer,
    mailbox,
    matching,
    secret_text,
    text,
    web_url,
)
from singr_config.values._secret import Secret

_HIGHEST_TEMPLATE = 2**31 - 1
_SENDER = "noreply@singrkaraoke.com"


def _chosen(channel: str, provider: str, **also: str) -> When:
    """While this provider delivers a channel's messages, or those that the first one did not take."""
    switch, second = f"ENABLE_{channel}_SENDING", f"{channel}_FALLBACK_PROVIDER"
    return When(f"{channel}_PROVIDER", provider, switch=switch, second=second, **also)


_MAILJET = _chosen("EMAIL", "mailjet")
_RESEND = _chosen("EMAIL", "resend")
_SMTP = _chosen("EMAIL", "smtp")
_TWILIO = _chosen("SMS", "twilio")
_NUMBER = _chosen("SMS", "twilio", instead="TWILIO_MESSAGING_SERVICE_SID")
_SALUM = _chosen("SMS", "salum")


class EmailProviderName(StrEnum):
    """Who delivers e-mail."""

    MAILJET = "mailjet"
    RESEND = "resend"
    SMTP = "smtp"
    CONSOLE = "console"


class SmsProviderName(StrEnum):
    """Provider that delivers text messages."""

    TWILIO = "twilio"
    SALUM = "salum"
    CONSOLE = "console"


class MailjetTemplates(msgspec.Struct, frozen=True, kw_only=True):
    """Ids of templates kept at Mailjet; 0 renders our own template instead."""

    verification: Annotated[
        int,
        Variable(
            "MAILJET_TEMPLATE_VERIFICATION", integer(0, _HIGHEST_TEMPLATE), "Template for verification; 0: our own."
        ),
    ] = 0
    password_reset: Annotated[
        int,
        Variable(
            "MAILJET_TEMPLATE_PASSWORD_RESET",
            integer(0, _HIGHEST_TEMPLATE),
            "Template for a password reset; 0: our own.",
        ),
    ] = 0
    magic_link: Annotated[
        int,
        Variable(
            "MAILJET_TEMPLATE_MAGIC_LINK", integer(0, _HIGHEST_TEMPLATE), "Template for a sign-in link; 0: our own."
        ),
    ] = 0
    two_factor: Annotated[
        int,
        Variable(
            "MAILJET_TEMPLATE_TWO_FACTOR", integer(0, _HIGHEST_TEMPLATE), "Template for a sign-in code; 0: our own."
        ),
    ] = 0
    welcome: Annotated[
        int, Variable("MAILJET_TEMPLATE_WELCOME", integer(0, _HIGHEST_TEMPLATE), "Template for a welcome; 0: our own.")
    ] = 0
    invitation: Annotated[
        int,
        Variable(
            "MAILJET_TEMPLATE_INVITATION", integer(0, _HIGHEST_TEMPLATE), "Template for an invitation; 0: our own."
        ),
    ] = 0


class MailjetSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Mailjet's Send API v3.1."""

    api_key: Annotated[Secret, Variable("MAILJET_API_KEY", secret_text(), "Mailjet API key.", needed=_MAILJET)] = (
        Secret("")
    )
    secret_key: Annotated[
        Secret, Variable("MAILJET_SECRET_KEY", secret_text(), "Mailjet secret key.", needed=_MAILJET)
    ] = Secret("")
    from_email: Annotated[
        str, Variable("MAILJET_FROM_EMAIL", email_address(), "Sender; its domain must be validated at Mailjet.")
    ] = _SENDER
    from_name: Annotated[
        str,
        Variable(
            "MAILJET_FROM_NAME",
            matching(r"[^\x00-\x1f\x7f]{1,100}", "a name of at most 100 characters"),
            "Name beside the sender's address; BRAND_NAME by default.",
        ),
    ] = "Singr"
    templates: MailjetTemplates = MailjetTemplates()
    sandbox: Annotated[
        bool,
        Variable("MAILJET_SANDBOX", boolean(), "Have Mailjet check messages without sending them.", development="true"),
    ] = False
    deduplicate: Annotated[
        bool,
        Variable(
            "MAILJET_DEDUPLICATE",
            boolean(),
            "Have Mailjet drop a second copy of a message; each message makes a campaign of its own there.",
        ),
    ] = False
    base_url: Annotated[str, Variable("MAILJET_BASE_URL", web_url(), "Address of Mailjet's API.")] = (
        "https://api.mailjet.com"
    )


class ResendSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Resend's e-mail API."""

    api_key: Annotated[
        Secret,
        Variable("RESEND_API_KEY", secret_text(), "Resend API key; sending access is enough.", needed=_RESEND),
    ] = Secret("")
    base_url: Annotated[str, Variable("RESEND_BASE_URL", web_url(), "Address of Resend's API.")] = (
        "https://api.resend.com"
    )


class SmtpSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Any SMTP server, such as Mailpit in development."""

    host: Annotated[
        str, Variable("SMTP_HOST", host_name(), "Host of the SMTP server.", development="localhost", needed=_SMTP)
    ] = ""
    port: Annotated[
        int, Variable("SMTP_PORT", integer(1, 65_535), "Port of the SMTP server; 465 speaks TLS from the start.")
    ] = 1025
    user: Annotated[str, Variable("SMTP_USER", text(), "User name; empty: no sign-in.")] = ""
    password: Annotated[Secret, Variable("SMTP_PASSWORD", secret_text(), "Password that belongs to SMTP_USER.")] = (
        Secret("")
    )


class EmailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who delivers e-mail, and as whom."""

    provider: Annotated[
        EmailProviderName,
        Variable(
            "EMAIL_PROVIDER",
            choice(EmailProviderName, {"mailpit": EmailProviderName.SMTP}),
            "Provider that delivers e-mail; mailpit is another name for smtp.",
            production_note="console is refused while ENABLE_EMAIL_SENDING is true.",
        ),
    ] = EmailProviderName.CONSOLE
    fallback: Annotated[
        EmailProviderName | None,
        Variable(
            "EMAIL_FALLBACK_PROVIDER",
            choice(EmailProviderName, {"mailpit": EmailProviderName.SMTP}),
            "Provider for what the first one certainly did not accept; empty: none.",
        ),
    ] = None
    enabled: Annotated[
        bool, Variable("ENABLE_EMAIL_SENDING", boolean(), "false logs what would be sent and counts it as sent.")
    ] = True
    sender: Annotated[str, Variable("EMAIL_FROM", mailbox(), "Sender for every provider but Mailjet.")] = _SENDER
    redirect_to: Annotated[
        str,
        Variable(
            "EMAIL_REDIRECT_TO",
            email_address(),
            "Address that receives all e-mail during development, instead of its recipients.",
            production_note="Refused: mails would not reach their recipients.",
        ),
    ] = ""
    mailjet: MailjetSettings = MailjetSettings()
    resend: ResendSettings = ResendSettings()
    smtp: SmtpSettings = SmtpSettings()


class TwilioSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Twilio Messages and Verify."""

    account_sid: Annotated[
        str,
        Variable(
            "TWILIO_ACCOUNT_SID",
            matching(r"AC[0-9a-fA-F]{32}", "an account SID: AC and 32 hexadecimal digits"),
            "Account SID.",
            needed=_TWILIO,
        ),
    ] = ""
    auth_token: Annotated[Secret, Variable("TWILIO_AUTH_TOKEN", secret_text(), "Auth token.", needed=_TWILIO)] = Secret(
        ""
    )
    phone_number: Annotated[
        str, Variable("TWILIO_PHONE_NUMBER", e164(), "Number that messages come from.", needed=_NUMBER)
    ] = ""
    messaging_service_sid: Annotated[
        str,
        Variable(
            "TWILIO_MESSAGING_SERVICE_SID",
            matching(r"MG[0-9a-fA-F]{32}", "a messaging service SID: MG and 32 hexadecimal digits"),
            "Messaging service that chooses a sender from its pool; TWILIO_PHONE_NUMBER is then not used.",
        ),
    ] = ""
    status_callback: Annotated[
        str,
        Variable(
            "TWILIO_STATUS_CALLBACK",
            web_url(),
            "Address that Twilio reports message statuses to, such as"
            " https://api.example.com/v1/webhooks/twilio/status.",
        ),
    ] = ""
    verify_service_sid: Annotated[
        str,
        Variable(
            "TWILIO_VERIFY_SERVICE_SID",
            matching(r"VA[0-9a-fA-F]{32}", "a Verify service SID: VA and 32 hexadecimal digits"),
            "Verify service; empty: Twilio Verify is off.",
        ),
    ] = ""
    base_url: Annotated[str, Variable("TWILIO_BASE_URL", web_url(), "Address of Twilio's API.")] = (
        "https://api.twilio.com"
    )


class SalumSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Salum's SMS service."""

    api_key: Annotated[Secret, Variable("SALUM_API_KEY", secret_text(), "Salum API key.", needed=_SALUM)] = Secret("")
    partner_id: Annotated[
        str,
        Variable(
            "SALUM_PARTNER_ID",
            matching(r"[A-Za-z0-9_-]{1,64}", "a partner id: 1 to 64 of A-Z, a-z, 0-9, _ and -"),
            "Salum partner id.",
            needed=_SALUM,
        ),
    ] = ""
    shortcode: Annotated[
        str,
        Variable(
            "SALUM_SHORTCODE",
            matching(r"[A-Za-z0-9 ._-]{1,15}", "a sender id of at most 15 characters"),
            "Registered sender id that messages come from.",
            needed=_SALUM,
        ),
    ] = ""
    base_url: Annotated[str, Variable("SALUM_BASE_URL", web_url(), "Address of Salum's API.")] = (
        "https://sms.salum.co.ke"
    )


class SmsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Provider that delivers text messages."""

    provider: Annotated[
        SmsProviderName,
        Variable(
            "SMS_PROVIDER",
            choice(SmsProviderName),
            "Provider that delivers text messages.",
            production_note="console is refused while ENABLE_SMS_SENDING is true.",
        ),
    ] = SmsProviderName.CONSOLE
    fallback: Annotated[
        SmsProviderName | None,
        Variable(
            "SMS_FALLBACK_PROVIDER",
            choice(SmsProviderName),
            "Provider for what the first one certainly did not accept; empty: none.",
        ),
    ] = None
    enabled: Annotated[
        bool, Variable("ENABLE_SMS_SENDING", boolean(), "false logs what would be sent and counts it as sent.")
    ] = True
    twilio: TwilioSettings = TwilioSettings()
    salum: SalumSettings = SalumSettings()
