"""All sections together."""

from email.utils import parseaddr
from typing import Final

import msgspec

from singr_config.sections._brand import BrandSettings
from singr_config.sections._delivery import EmailSettings, SmsSettings
from singr_config.sections._platform import (
    AppSettings,
    AuthSettings,
    JwtSettings,
    ObservabilitySettings,
)
from singr_config.sections._push import PushSettings
from singr_config.sections._stores import DatabaseSettings, ObjectStoreSettings, RabbitSettings, RedisSettings
from singr_config.sections._stripe import StripeSettings
from singr_config.sections._variable import Declared, declared
from singr_config.sections._webhooks import WebhookSettings
from singr_config.sections._work import IngestionSettings, LimitSettings, RetentionSettings, WorkerSettings

_SHORTEST: Final = 5
_COUNTRY: Final = 2
# Where names are given below a country's: co.uk, com.au.
_BELOW_COUNTRIES: Final = frozenset({"ac", "co", "com", "edu", "gov", "ltd", "ne", "net", "or", "org"})
_EXAMPLES: Final = frozenset({"example", "localhost"})  # RFC 2606: nobody's


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the environment says, validated. Hand each library its own section, never the whole."""

    app: AppSettings
    brand: BrandSettings
    database: DatabaseSettings
    redis: RedisSettings
    rabbitmq: RabbitSettings
    object_store: ObjectStoreSettings
    jwt: JwtSettings
    auth: AuthSettings
    observability: ObservabilitySettings
    email: EmailSettings
    sms: SmsSettings
    push: PushSettings
    webhooks: WebhookSettings
    stripe: StripeSettings
    limits: LimitSettings
    ingestion: IngestionSettings
    worker: WorkerSettings
    retention: RetentionSettings

    @property
    def own_names(self) -> tuple[str, ...]:
        """What the platform's own messages come from, which nobody else may go by (`singr_config.names`).

        The brand, the names of its senders, and what their domains are called: `singrkaraoke` of
        `noreply@mail.singrkaraoke.com`, where that has five letters or more.
        """
        name, address = parseaddr(self.email.sender)
        mailjet = self.email.mailjet
        found: dict[str, str] = {}
        for one in (
            self.brand.name,
            mailjet.from_name,
            name,
            _domain_name(mailjet.from_email),
            _domain_name(address),
        ):
            if one:
                found.setdefault(one.casefold(), one)
        return tuple(found.values())


def _domain_name(address: str) -> str:
    """What the domain of an address is called, or nothing: no word of few letters is only one's own."""
    site, _, top = address.rpartition("@")[2].lower().rpartition(".")
    above, _, found = site.rpartition(".")
    if above and len(top) == _COUNTRY and found in _BELOW_COUNTRIES:
        found = above.rpartition(".")[2]
    return found if len(found) >= _SHORTEST and found not in _EXAMPLES else ""


def all_variables() -> tuple[Declared, ...]:
    """Every variable that Singr reads, in the order of the sections."""
    return declared(Settings)
