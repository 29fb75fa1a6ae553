"""From settings to providers."""

from email.utils import parseaddr

import httpx

from singr_comms._errors import CommsError
from singr_comms._messages import EmailAddress
from singr_comms._ports import EmailProvider, SmsProvider
from singr_comms._providers._console import ConsoleEmailProvider, ConsoleSmsProvider
from singr_comms._providers._http import TraceHeaders
from singr_comms._providers._mailjet import MailjetProvider
from singr_comms._providers._smtp import SmtpProvider
from singr_comms._providers._twilio import TwilioProvider
from singr_config import AppEnv, AppSettings, EmailProviderName, EmailSettings, SmsProviderName, SmsSettings


class UnknownProviderError(CommsError):
    """The settings name a provider that this version cannot use."""


def email_provider(
    settings: EmailSettings,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
) -> EmailProvider:
    """Build the provider that ``EMAIL_PROVIDER`` names; the console one when sending is switched off.

    Args:
        settings: The e-mail section.
        app: The application section; outside production the console provider shows contents.
        http: Shared by all HTTP providers; whoever made it closes it.
        trace_headers: Headers for each provider call, such as ``singr_observability.trace_headers``.

    Raises:
        UnknownProviderError: This version has no such provider.
    """
    if not settings.enabled or settings.provider is EmailProviderName.CONSOLE:
        return ConsoleEmailProvider(show_content=app.env is not AppEnv.PRODUCTION)
    if settings.provider is EmailProviderName.SMTP:
        smtp = settings.smtp
        return SmtpProvider(
            host=smtp.host, port=smtp.port, sender=_sender(settings), user=smtp.user, password=smtp.password
        )
    if settings.provider is EmailProviderName.MAILJET:
        return _mailjet(settings, http, trace_headers)
    raise UnknownProviderError(
        f"EMAIL_PROVIDER={settings.provider} cannot be used yet: choose mailjet, smtp or console"
    )


def sms_provider(
    settings: SmsSettings,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
) -> SmsProvider:
    """Build the provider that ``SMS_PROVIDER`` names; arguments and errors as :func:`email_provider`."""
    if not settings.enabled or settings.provider is SmsProviderName.CONSOLE:
        return ConsoleSmsProvider(show_content=app.env is not AppEnv.PRODUCTION)
    if settings.provider is SmsProviderName.TWILIO:
        twilio = settings.twilio
        return TwilioProvider(
            http,
            account_sid=twilio.account_sid,
            auth_token=twilio.auth_token,
            sender=twilio.phone_number,
            base_url=twilio.base_url,
            trace_headers=trace_headers,
        )
    raise UnknownProviderError(f"SMS_PROVIDER={settings.provider} cannot be used yet: choose twilio or console")


def _mailjet(settings: EmailSettings, http: httpx.AsyncClient, trace_headers: TraceHeaders | None) -> MailjetProvider:
    mailjet = settings.mailjet
    templates = mailjet.templates
    return MailjetProvider(
        http,
        api_key=mailjet.api_key,
        secret_key=mailjet.secret_key,
        sender=EmailAddress(mailjet.from_email, mailjet.from_name or None),
        templates={
            "verification": templates.verification,
            "password_reset": templates.password_reset,
            "magic_link": templates.magic_link,
            "two_factor_code": templates.two_factor,
            "welcome": templates.welcome,
            "invitation": templates.invitation,
        },
        sandbox=mailjet.sandbox,
        base_url=mailjet.base_url,
        trace_headers=trace_headers,
    )


def _sender(settings: EmailSettings) -> EmailAddress:
    name, address = parseaddr(settings.sender)
    if not address:
        return EmailAddress(settings.mailjet.from_email, settings.mailjet.from_name or None)
    return EmailAddress(address, name or None)
