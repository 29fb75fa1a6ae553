"""The environment, validated once into frozen, typed sections.

>>> from singr_config import load_settings
>>> settings = load_settings({"APP_ENV": "test", "PORT": "8080"}, env_file=None)
>>> settings.app.port, settings.auth.secret
(8080, Secret('***'))
"""

from ._brand import BrandSettings
from ._delivery import (
    EmailProviderName,
    EmailSettings,
    MailjetSettings,
    MailjetTemplates,
    SmsProviderName,
    SmsSettings,
    SmtpSettings,
    TwilioSettings,
)
from ._enums import AppEnv, LogLevel
from ._holds_secrets import HoldsSecrets
from ._load import load_section, load_settings
from ._platform import (
    AppSettings,
    AuthSettings,
    DatabaseSettings,
    JwtSettings,
    ObjectStoreSettings,
    ObservabilitySettings,
    RedisSettings,
)
from ._problems import ConfigurationError, Problem
from ._secret import Secret, mask_secrets
from ._settings import Settings, all_variables
from ._variable import Declared, Variable
from ._work import (
    ChannelWorkerSettings,
    EmailWorkerSettings,
    IngestionSettings,
    LimitSettings,
    PushWorkerSettings,
    SmsWorkerSettings,
    WorkerSettings,
)

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
    "HoldsSecrets",
    "IngestionSettings",
    "JwtSettings",
    "LimitSettings",
    "LogLevel",
    "MailjetSettings",
    "MailjetTemplates",
    "ObjectStoreSettings",
    "ObservabilitySettings",
    "Problem",
    "PushWorkerSettings",
    "RedisSettings",
    "Secret",
    "Settings",
    "SmsProviderName",
    "SmsSettings",
    "SmsWorkerSettings",
    "SmtpSettings",
    "TwilioSettings",
    "Variable",
    "WorkerSettings",
    "all_variables",
    "load_section",
    "load_settings",
    "mask_secrets",
]
