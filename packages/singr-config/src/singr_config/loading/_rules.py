"""What must hold between variables, and what production asks beyond that."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from singr_config.loading._problems import Problem
from singr_config.sections._delivery import EmailProviderName, SmsProviderName
from singr_config.sections._push import PushProviderName
from singr_config.sections._settings import all_variables
from singr_config.values._enums import AppEnv
from singr_config.values._keys import are_a_pair
from singr_config.values._secret import Secret

_FEWEST_DISTINCT = 8
_PLACEHOLDERS = (
    "change-me",
    "changeme",
    "change_me",
    "your-",
    "your_",
    "replace-me",
    "replace_me",
    "<",
    "xxxx",
    "todo",
)
_TOGETHER = (
    ("SMTP_USER", "SMTP_PASSWORD"),
    ("JWT_PRIVATE_KEY", "JWT_PUBLIC_KEY"),
    ("S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"),
)

_SECURE_ADDRESSES = ("APP_URL_WEB", "APP_URL_CUSTOMER", "APP_URL_API", "TWILIO_STATUS_CALLBACK")
_PROVIDER_NAMES = (EmailProviderName, SmsProviderName, PushProviderName)
# Of every provider there is.
_OF_PROVIDERS = ("_BASE_URL", "_TOKEN_URL")


@dataclass(frozen=True, slots=True)
class Draft:
    """Values by variable, as far as they could be read; `given` names those that were set by hand."""

    env: AppEnv
    values: dict[str, Any]
    given: frozenset[str]

    def off(self, switch: str) -> bool:
        """Whether a switch is there and off."""
        return self.values.get(switch) is False


def check_rules(draft: Draft) -> list[Problem]:
    """Every rule that the draft breaks. Values that could not be read are passed over: they are problems already."""
    problems = [*_needed(draft), *_together(draft), *_carried(draft), *_consistent(draft), *_fallbacks(draft)]
    problems += [*_callbacks(draft), *_paced(draft), *_bucket(draft)]
    if draft.env.is_production:
        problems += [*_production_secrets(draft), *_production_delivery(draft), *_production_addresses(draft)]
        problems += _production_limits(draft)
    return problems


def _needed(draft: Draft) -> Iterator[Problem]:
    for item in all_variables():
        when = item.variable.needed
        name = item.variable.name
        if when is None or draft.off(when.switch):
            continue
        if when.instead and draft.values.get(when.instead):
            continue
        variable = next((one for one in (when.variable, when.second) if draft.values.get(one) == when.value), None)
        if variable is not None and name in draft.values and not draft.values[name]:
            yield Problem(name, f"must be set while {replace(when, variable=variable)}")


def _together(draft: Draft) -> Iterator[Problem]:
    for group in _TOGETHER:
        if any(name not in draft.values for name in group):
            continue
        present = [name for name in group if draft.values[name]]
        if present:
            for name in group:
                if not draft.values[name] and name != "SMTP_PASSWORD":
                    yield Problem(name, f"must be set as well, since {present[0]} is")


def _carried(draft: Draft) -> Iterator[Problem]:
    if "REDIS_URL" in draft.values and not draft.values["REDIS_URL"] and not draft.values.get("RABBITMQ_URL"):
        yield Problem("REDIS_URL", "must be set in production, unless RABBITMQ_URL is: redis://:password@host:6379/0")


def _consistent(draft: Draft) -> Iterator[Problem]:
    values = draft.values
    private, public = values.get("JWT_PRIVATE_KEY"), values.get("JWT_PUBLIC_KEY")
    if private and public and not are_a_pair(private, public):
        yield Problem("JWT_PUBLIC_KEY", "does not belong to JWT_PRIVATE_KEY: both must come from one pair")
    access, refresh = values.get("JWT_ACCESS_TTL"), values.get("JWT_REFRESH_TTL")
    if access is not None and refresh is not None and refresh <= access:
        yield Problem("JWT_REFRESH_TTL", "must be longer than JWT_ACCESS_TTL")
    domain = values.get("WEBAUTHN_RP_ID")
    if domain and not all(belongs_to(origin, domain) for origin in values.get("WEBAUTHN_ORIGINS", ())):
        yield Problem("WEBAUTHN_ORIGINS", f"must be on the domain that passkeys belong to, {domain}, or below it")
    if values.get("METRICS_HOST") and "METRICS_PORT" in values and values["METRICS_PORT"] is None:
        yield Problem("METRICS_PORT", "must be set as well, since METRICS_HOST is")
    port = values.get("METRICS_PORT")
    if port is not None and port == values.get("PORT"):
        yield Problem("METRICS_PORT", "must differ from PORT; leave it empty to serve metrics there")


def _callbacks(draft: Draft) -> Iterator[Problem]:
    told = draft.values.get("TWILIO_STATUS_CALLBACK") or ""
    path = urlsplit(told).path
    if "/webhooks/twilio" in path and not path.endswith("/webhooks/twilio/status"):
        yield Problem(
            "TWILIO_STATUS_CALLBACK", "must end with /v1/webhooks/twilio/status: nothing else answers it there"
        )


def _bucket(draft: Draft) -> Iterator[Problem]:
    """The bucket's name is put into addresses by us: a path of its own, or in AWS' names of hosts."""
    bucket, place = draft.values.get("S3_BUCKET"), urlsplit(draft.values.get("S3_ENDPOINT") or "")
    host = place.hostname or ""
    named = host.startswith(f"{bucket}.s3") and host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    if bucket and (named or place.path.rpartition("/")[2] == bucket):
        yield Problem("S3_ENDPOINT", "must be the store's address without the bucket, which S3_BUCKET names")


def _paced(draft: Draft) -> Iterator[Problem]:
    known = tuple(dict.fromkeys(name.value for names in _PROVIDER_NAMES for name in names))
    for name, _, _ in draft.values.get("PROVIDER_RATES", ()):
        if name not in known:
            yield Problem("PROVIDER_RATES", f"must name providers that there are ({', '.join(known)}), not {name}")


def _fallbacks(draft: Draft) -> Iterator[Problem]:
    for channel in ("EMAIL", "SMS"):
        first, second = (draft.values.get(f"{channel}_{which}") for which in ("PROVIDER", "FALLBACK_PROVIDER"))
        if second and second == first:
            yield Problem(f"{channel}_FALLBACK_PROVIDER", f"must differ from {channel}_PROVIDER, which is {first}")


def _production_secrets(draft: Draft) -> Iterator[Problem]:
    for item in all_variables():
        name, value = item.variable.name, draft.values.get(item.variable.name)
        if name not in draft.given or not isinstance(value, Secret):
            continue
        text = value.reveal()
        if item.variable.development and text == item.variable.development and item.variable.kind.label == "secret":
            yield Problem(name, "is the value of development, which everyone knows: make a new one")
        elif item.variable.kind.label == "secret" and text.lower().startswith(_PLACEHOLDERS):
            yield Problem(name, "looks like a placeholder: put the real value there")
    if draft.values.get("S3_FOLDER"):
        yield Problem("S3_FOLDER", "must be empty in production: a folder of one machine is no object store")
    for name in ("AUTH_SECRET", "SIGNING_SECRET", "X_API_KEY"):
        value = draft.values.get(name)
        if value and len(set(value.reveal())) < _FEWEST_DISTINCT:
            yield Problem(name, "is too regular to be a secret: make one with: openssl rand -base64 48")


def _production_delivery(draft: Draft) -> Iterator[Problem]:
    console = (
        ("EMAIL_PROVIDER", EmailProviderName.CONSOLE, "ENABLE_EMAIL_SENDING"),
        ("EMAIL_FALLBACK_PROVIDER", EmailProviderName.CONSOLE, "ENABLE_EMAIL_SENDING"),
        ("SMS_PROVIDER", SmsProviderName.CONSOLE, "ENABLE_SMS_SENDING"),
        ("SMS_FALLBACK_PROVIDER", SmsProviderName.CONSOLE, "ENABLE_SMS_SENDING"),
    )
    for name, provider, switch in console:
        if draft.values.get(name) is provider and not draft.off(switch):
            others = " or ".join(other for other in type(provider) if other is not provider)
            yield Problem(
                name,
                f"must be a provider that delivers ({others}) in production: by console, codes and links reach nobody; "
                f"to run without, set {switch}=false",
            )
    if "SMS_COUNTRIES" in draft.values and not (draft.values["SMS_COUNTRIES"] or draft.off("ENABLE_SMS_SENDING")):
        yield Problem("SMS_COUNTRIES", "must name the countries that text messages may go to, such as DE,AT,CH")
    if draft.values.get("EMAIL_REDIRECT_TO"):
        yield Problem("EMAIL_REDIRECT_TO", "must be empty in production: mails would reach nobody they are meant for")
    senders = {draft.values.get("EMAIL_PROVIDER"), draft.values.get("EMAIL_FALLBACK_PROVIDER")}
    if draft.values.get("MAILJET_SANDBOX") and EmailProviderName.MAILJET in senders:
        yield Problem("MAILJET_SANDBOX", "must be false in production: the sandbox checks messages and sends none")


def _production_limits(draft: Draft) -> Iterator[Problem]:
    if draft.values.get("RATE_LIMIT_RELAXATION", 1) != 1:
        yield Problem(
            "RATE_LIMIT_RELAXATION", "must be 1 in production: it lets guessers have as many times more tries"
        )


def _production_addresses(draft: Draft) -> Iterator[Problem]:
    of_providers = (item.variable.name for item in all_variables() if item.variable.name.endswith(_OF_PROVIDERS))
    for name in (*_SECURE_ADDRESSES, *of_providers):
        address = draft.values.get(name)
        if address and not address.startswith("https://"):
            yield Problem(name, "must begin with https:// in production: tokens and keys travel over it")
    for name in ("CORS_ORIGINS", "WEBAUTHN_ORIGINS"):
        listed = draft.values.get(name, ()) if name in draft.given else ()
        if any(not origin.startswith("https://") and not _is_loopback(_host(origin)) for origin in listed):
            yield Problem(name, "must list https:// origins in production")


def belongs_to(origin: str, domain: str) -> bool:
    """Whether an origin's host is the domain or below it, as browsers judge it for passkeys."""
    return f".{_host(origin)}".endswith(f".{domain}")


def _host(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
