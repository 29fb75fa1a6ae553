"""All sections together."""

from email.utils import parseaddr

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
        """What the platform's own messages come from, which nobody else may go by (`singr_config.names`)."""
        senders = (self.email.mailjet.from_name, parseaddr(self.email.sender)[0])
        return tuple(dict.fromkeys(name for name in (self.brand.name, *senders) if name))


def all_variables() -> tuple[Declared, ...]:
    """Every variable that Singr reads, in the order of the sections."""
    return declared(Settings)
