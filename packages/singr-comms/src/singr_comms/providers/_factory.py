"""From settings to providers."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httpx
from msgspec.structs import replace

from singr_comms._collect import collected
from singr_comms._errors import CommsError, DeclarationError
from singr_comms.catalogue._catalogue import ENTRY_POINTS, message_types
from singr_comms.channels import CHANNELS
from singr_comms.channels._channel import Provider
from singr_comms.channels.email import EmailProvider
from singr_comms.channels.push import PushProvider
from singr_comms.channels.sms import SmsProvider
from singr_comms.providers._console import CONSOLE, ConsoleProvider
from singr_comms.providers._http import TraceHeaders
from singr_comms.providers._provider import Given, ProviderType
from singr_comms.providers._redirected import redirected
from singr_comms.rendering._templates import DEFAULT_BRAND
from singr_comms.verifiers.console import ConsoleVerify
from singr_comms.verifiers.twilio import TwilioVerify
from singr_config import (
    AppEnv,
    AppSettings,
    BrandSettings,
    EmailSettings,
    LimitSettings,
    PushSettings,
    SmsProviderName,
    SmsSettings,
)


class ProviderSettings(Protocol):
    """What `check_settings` needs of the settings: beside these, a section for each channel by its name."""

    @property
    def app(self) -> AppSettings: ...
    @property
    def email(self) -> EmailSettings: ...
    @property
    def sms(self) -> SmsSettings: ...
    @property
    def limits(self) -> LimitSettings: ...


# What people and other lists call a country, and what numbers of it are found under.
_ALSO_CALLED: Final = MappingProxyType({"EL": "GR", "UK": "GB"})
_TWILIO_API: Final = "api."


class UnknownProviderError(CommsError):
    """The settings name a provider that this version cannot use."""


@cache
def provider_types() -> Mapping[tuple[str, str], ProviderType]:
    """Every provider that there is, by channel and name; found in this package.

    Raises:
        DeclarationError: one is declared wrong.
    """
    found: dict[tuple[str, str], ProviderType] = {}
    for one in collected(__package__, "PROVIDER", ProviderType):
        if one.channel not in CHANNELS:
            channels = ", ".join(sorted(CHANNELS))
            raise DeclarationError(f"provider {one.name}: there is no channel {one.channel}; there are {channels}")
        if one.name == CONSOLE or (one.channel, one.name) in found:
            raise DeclarationError(f"provider {one.name}: there is one of this name for {one.channel} already")
        found[one.channel, one.name] = one
    return MappingProxyType(found)


def build_provider(
    channel: str,
    settings: Any,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
    brand: BrandSettings = DEFAULT_BRAND,
) -> Provider:
    """Build the provider that the settings of a channel name; the console one when sending is switched off.

    Args:
        channel: such as `email`.
        settings: the channel's section; None where it has none, and so one provider at most.
        app: the application section; outside production the console provider shows contents.
        http: shared by all HTTP providers; whoever made it closes it.
        trace_headers: headers for each provider call, such as `singr_observability.trace_headers`.
        brand: whose messages they are.

    Raises:
        UnknownProviderError: this version has no such provider.
    """
    known = {name: one for (of, name), one in provider_types().items() if of == channel}
    chosen = line_up_names(channel, settings)[0]
    if chosen == CONSOLE:
        return ConsoleProvider(CHANNELS[channel], show_content=app.env is not AppEnv.PRODUCTION, brand=brand)
    if chosen not in known:
        raise UnknownProviderError(
            f"{channel.upper()}_PROVIDER={chosen} cannot be used yet: choose {', '.join(known)} or {CONSOLE}"
        )
    built = known[chosen].build(Given(settings, http, trace_headers, brand))
    return redirected(built, settings.redirect_to) if channel == "email" else built


def line_up_names(channel: str, settings: Any) -> tuple[str, ...]:
    """The names of a channel's provider, and of its fallback where the settings name one; builds nothing."""
    if settings is None:  # nothing to choose: a channel of our own, such as one that only writes to the database
        return (next((name for of, name in provider_types() if of == channel), CONSOLE),)
    if not settings.enabled:
        return (CONSOLE,)
    fallback = getattr(settings, "fallback", None)
    return (str(settings.provider), *(() if fallback is None else (str(fallback),)))


def build_line_up(
    channel: str,
    settings: Any,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
    brand: BrandSettings = DEFAULT_BRAND,
) -> tuple[Provider, ...]:
    """Build the provider of a channel, and its fallback where the settings name one; arguments as `build_provider`."""
    given: dict[str, Any] = {"trace_headers": trace_headers, "brand": brand}
    first = build_provider(channel, settings, app, http, **given)
    if len(line_up_names(channel, settings)) == 1:
        return (first,)
    second = build_provider(channel, replace(settings, provider=settings.fallback), app, http, **given)
    return first, second


def email_provider(
    settings: EmailSettings,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
    brand: BrandSettings = DEFAULT_BRAND,
) -> EmailProvider:
    """Build the provider that `EMAIL_PROVIDER` names; arguments and errors as `build_provider`."""
    return build_provider("email", settings, app, http, trace_headers=trace_headers, brand=brand)


def sms_provider(
    settings: SmsSettings,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
    brand: BrandSettings = DEFAULT_BRAND,
) -> SmsProvider:
    """Build the provider that `SMS_PROVIDER` names; arguments and errors as `build_provider`."""
    return build_provider("sms", settings, app, http, trace_headers=trace_headers, brand=brand)


def push_provider(
    settings: PushSettings,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
    brand: BrandSettings = DEFAULT_BRAND,
) -> PushProvider:
    """Build the provider that `PUSH_PROVIDER` names; arguments and errors as `build_provider`."""
    return build_provider("push", settings, app, http, trace_headers=trace_headers, brand=brand)


def phone_verifier(
    settings: SmsSettings,
    app: AppSettings,
    http: httpx.AsyncClient,
    *,
    trace_headers: TraceHeaders | None = None,
) -> TwilioVerify | ConsoleVerify | None:
    """Build what sends and checks codes by itself; arguments as `build_provider`.

    Returns:
        None where `TWILIO_VERIFY_SERVICE_SID` is empty. Where it is set but no SMS are sent (by `SMS_PROVIDER` or
        `ENABLE_SMS_SENDING`): the console in development and test; None in production, whose logs must show no code.
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
    """Build every provider that the settings name, add every installed message type, look at the rest; call nothing.

    `singr-config check` asks this of every installed package, API and worker do at their start, so that all three
    say the same.

    Args:
        settings: the sections for the app and for each channel; `singr_config.Settings` fits.

    Returns:
        A line for each problem, the variable (or the group of entry points) first; empty where there is none.
    """
    http = httpx.AsyncClient(transport=httpx.AsyncBaseTransport())  # reaches nobody, and costs no TLS context
    builds: dict[str, Callable[[], object]] = {
        f"{name.upper()}_PROVIDER": partial(build_line_up, name, getattr(settings, name, None), settings.app, http)
        for name in CHANNELS
    }
    builds["TWILIO_VERIFY_SERVICE_SID"] = partial(phone_verifier, settings.sms, settings.app, http)
    builds[ENTRY_POINTS] = message_types.add_installed
    problems = []
    for variable, build in builds.items():
        try:
            build()
        except (CommsError, ValueError) as error:
            problems.append(f"{variable}: {error}")
    return problems + [f"SMS_COUNTRIES: {wrong}" for wrong in _no_countries(settings.limits.sms_countries)]


def _no_countries(named: tuple[str, ...]) -> list[str]:
    """What is wrong with countries that no number is of, so that no message would reach whoever was meant."""
    words = "{} is no country that has telephone numbers (ISO 3166){}"
    if find_spec("phonenumbers") is None:  # of the extra `notifications`, as is what counts by country
        return []
    regions = import_module("phonenumbers").SUPPORTED_REGIONS
    return [
        words.format(country, f": did you mean {_ALSO_CALLED[country]}?" if country in _ALSO_CALLED else "")
        for country in named
        if country not in regions
    ]


def _verify_url(base_url: str) -> str:
    """Find Verify beside the API: Twilio has a host per product in every region, a simulator has one for all."""
    parts = urlsplit(base_url)
    host = parts.netloc
    if host.startswith(_TWILIO_API) and host.endswith(".twilio.com"):
        host = f"verify.{host.removeprefix(_TWILIO_API)}"
    return f"{parts.scheme}://{host}{parts.path}"
