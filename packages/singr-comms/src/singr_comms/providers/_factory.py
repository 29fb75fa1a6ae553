"""From settings to providers."""

from email.utils import parseaddr
from typing import Final, Protocol
from urllib.parse import urlsplit

import httpx

from singr_comms._errors import CommsError
from singr_comms.channels.email import EmailAddress, EmailProvider
from singr_comms.channels.sms import SmsProvider
from singr_comms.providers._http import TraceHeaders
from singr_comms.providers.console import ConsoleEmailProvider, ConsoleSmsProvider
from singr_comms.providers.mailjet import MailjetProvider
from singr_comms.providers.smtp import SmtpProvider
from singr_comms.providers.twilio import TwilioProvider
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_comms.verifiers.console import ConsoleVerify
from singr_comms.verifiers.twilio import TwilioVerify
from singr_config import (
    AppEnv,
    AppSettings,
    BrandSettings,
    EmailProviderName,
    EmailSettings,
    SmsProviderName,
    SmsSettings,
)


class ProviderSettings(Protocol):
    """What :func:`check_settings` needs of the settings."""

    @property
    def app(self) -> AppSettings: ...
    @property
    def email(self) -> EmailSettings: ...
    @property
    def sms(self) -> SmsSettings: ...


_TWILIO_API: Final = "api."


class UnknownProviderError(CommsError):
    """The settings name a provider that this version cannot use."""


def email_provider(
    settings: EmailSettings,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
    brand: BrandSettings = DEFAULT_BRAND,
) -> EmailProvider:
    """Build the provider that ``EMAIL_PROVIDER`` names; the console one when sending is switched off.

    Args:
        settings: The e-mail section.
        app: The application section; outside production the console provider shows contents.
        http: Shared by all HTTP providers; whoever made it closes it.
        trace_headers: Headers for each provider call, such as ``singr_observability.trace_headers``.
        brand: Whose messages they are.

    Raises:
        UnknownProviderError: This version has no such provider.
    """
    if not settings.enabled or settings.provider is EmailProviderName.CONSOLE:
        return ConsoleEmailProvider(show_content=app.env is not AppEnv.PRODUCTION, brand=brand)
    if settings.provider is EmailProviderName.SMTP:
        smtp = settings.smtp
        return SmtpProvider(
            host=smtp.host,
            port=smtp.port,
            sender=_sender(settings, brand),
            user=smtp.user,
            password=smtp.password,
            brand=brand,
        )
    if settings.provider is EmailProviderName.MAILJET:
        return _mailjet(settings, http, trace_headers, brand)
    raise UnknownProviderError(
        f"EMAIL_PROVIDER={settings.provider} cannot be used yet: choose mailjet, smtp or console"
    )


def sms_provider(
    settings: SmsSettings,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
    brand: BrandSettings = DEFAULT_BRAND,
) -> SmsProvider:
    """Build the provider that ``SMS_PROVIDER`` names; arguments and errors as :func:`email_provider`."""
    if not settings.enabled or settings.provider is SmsProviderName.CONSOLE:
        return ConsoleSmsProvider(show_content=app.env is not AppEnv.PRODUCTION, brand=brand)
    if settings.provider is SmsProviderName.TWILIO:
        twilio = settings.twilio
        return TwilioProvider(
            http,
            account_sid=twilio.account_sid,
            auth_token=twilio.auth_token,
            sender=twilio.phone_number,
            base_url=twilio.base_url,
            trace_headers=trace_headers,
            brand=brand,
        )
    raise UnknownProviderError(f"SMS_PROVIDER={settings.provider} cannot be used yet: choose twilio or console")


def phone_verifier(
    settings: SmsSettings,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
) -> TwilioVerify | ConsoleVerify | None:
    """Build what sends and checks codes by itself; arguments as :func:`email_provider`.

    Returns:
        None where ``TWILIO_VERIFY_SERVICE_SID`` is empty. Where it is set but no SMS are sent (by ``SMS_PROVIDER`` or
        ``ENABLE_SMS_SENDING``): the console in development and test; None in production, whose logs must show no code.
    """
    twilio = settings.twilio
    if not twilio.verify_service_sid:
        return None
    if settings.enabled and settings.provider is SmsProviderName.TWILIO:
        return TwilioVerify(
            http,
            account_sid=twilio.account_sid,
            auth_token=twilio.auth_token,
            service_sid=twilio.verify_service_sid,
            base_url=_verify_url(twilio.base_url),
            trace_headers=trace_headers,
        )
    return None if app.env.is_production else ConsoleVerify(env=app.env)


def check_settings(settings: ProviderSettings) -> list[str]:
    """Build every provider that the settings name, and say why one cannot be built; nothing is called.

    ``singr-config check`` asks this of every installed package, API and worker do at their start, so that all three
    say the same.

    Args:
        settings: The sections for the app, e-mail and SMS; ``singr_config.Settings`` fits.

    Returns:
        A line for each problem, the variable first; empty where all can be built.
    """
    http = httpx.AsyncClient(transport=httpx.AsyncBaseTransport())  # reaches nobody, and costs no TLS context
    problems = []
    for variable, build in (
        ("EMAIL_PROVIDER", lambda: email_provider(settings.email, settings.app, http)),
        ("SMS_PROVIDER", lambda: sms_provider(settings.sms, settings.app, http)),
        ("TWILIO_VERIFY_SERVICE_SID", lambda: phone_verifier(settings.sms, settings.app, http)),
    ):
        try:
            build()
        except (CommsError, ValueError) as error:
            problems.append(f"{variable}: {error}")
    return problems


def _verify_url(base_url: str) -> str:
    """Find Verify beside the API: Twilio has a host per product in every region, a simulator has one for all."""
    parts = urlsplit(base_url)
    host = parts.netloc
    if host.startswith(_TWILIO_API) and host.endswith(".twilio.com"):
        host = f"verify.{host.removeprefix(_TWILIO_API)}"
    return f"{parts.scheme}://{host}{parts.path}"


def _mailjet(
    settings: EmailSettings, http: httpx.AsyncClient, trace_headers: TraceHeaders | None, brand: BrandSettings
) -> MailjetProvider:
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
        brand=brand,
    )


def _sender(settings: EmailSettings, brand: BrandSettings) -> EmailAddress:
    name, address = parseaddr(settings.sender)
    if not address:
        return EmailAddress(settings.mailjet.from_email, settings.mailjet.from_name or None)
    return EmailAddress(address, name or brand.name)
