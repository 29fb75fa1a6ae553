"""The environment, validated once into frozen, typed sections.

>>> from singr_config import load_settings
>>> settings = load_settings({"APP_ENV": "test", "PORT": "8080"}, env_file=None)
>>> settings.app.port, settings.auth.secret
(8080, Secret('***'))
"""

from singr_config.loading._load import load_section, load_settings
from singr_config.loading._problems import ConfigurationError, Problem
from singr_config.sections._brand import BrandSettings
from singr_config.sections._delivery import (
    EmailProviderName,
    EmailSettings,
    MailjetSettings,
    MailjetTemplates,
    ResendSettings,
    SalumSettings,
    SmsProviderName,
    SmsSettings,
    SmtpSettings,
    TwilioSettings,
)
from singr_config.sections._platform import (
    AppSettings,
    AuthSettings,
    JwtSettings,
    ObservabilitySettings,
)
from singr_config.sections._push import FirebaseSettings, PushProviderName, PushSettings
from singr_config.sections._settings import Settings, all_variables
from singr_config.sections._stores import DatabaseSettings, ObjectStoreSettings, RabbitSettings, RedisSettings
from singr_config.sections._stripe import StripeSettings
from singr_config.sections._variable import Declared, Variable
from singr_config.sections._webhooks import WebhookSettings
from singr_config.sections._work import (
    ChannelWorkerSettings,
    EmailWorkerSettings,
    IngestionSettings,
    LimitSettings,
    PushWorkerSettings,
    RetentionSettings,
    SmsWorkerSettings,
    WorkerSettings,
)
from singr_config.values._enums import AppEnv, LogLevel
from singr_config.values._holds_secrets import HoldsSecrets
from singr_config.values._portable import PortableError
from singr_config.values._secret import Secret, mask_secrets

__all__ = [
    "AppEnv",
    "AppSettings",
    "AuthSettings",
    "BrandSettings",
    "ChannelWorkerSettings",
    "ConfigurationError",
    "DatabaseSettings",
    "Declared",
    "EmailProviderName",
    "EmailSettings",
    "EmailWorkerSettings",
    "FirebaseSettings",
    "HoldsSecrets",
    "IngestionSettings",
    "JwtSettings",
    "LimitSettings",
    "LogLevel",
    "MailjetSettings",
    "MailjetTemplates",
    "ObjectStoreSettings",
    "ObservabilitySettings",
    "PortableError",
    "Problem",
    "PushProviderName",
    "PushSettings",
    "PushWorkerSettings",
    "RabbitSettings",
    "RedisSettings",
    "ResendSettings",
    "RetentionSettings",
    "SalumSettings",
    "Secret",
    "Settings",
    "SmsProviderName",
    "SmsSettings",
    "SmsWorkerSettings",
    "SmtpSettings",
    "StripeSettings",
    "TwilioSettings",
    "Variable",
    "WebhookSettings",
    "WorkerSettings",
    "all_variables",
    "load_section",
    "load_settings",
    "mask_secrets",
]
