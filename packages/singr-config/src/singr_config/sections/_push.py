"""Section for the provider that delivers pushes, and its name."""

from enum import StrEnum
from typing import Annotated

import msgspec

from singr_config.sections._variable import Variable, When
from singr_config.values._holds_secrets import HoldsSecrets
from singr_config.values._keys import account_key
from singr_config.values._kinds import boolean, choice, email_address, matching, web_url
from singr_config.values._secret import Secret

_FCM = When("PUSH_PROVIDER", "fcm", switch="ENABLE_PUSH_SENDING")


class PushProviderName(StrEnum):
    """Provider that delivers push notifications."""

    FCM = "fcm"
    CONSOLE = "console"


class FirebaseSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Firebase Cloud Messaging: a project and a service account that may send its messages."""

    project_id: Annotated[
        str,
        Variable(
            "FIREBASE_PROJECT_ID",
            matching(r"[a-z0-9][a-z0-9:.-]{3,60}", "a project id such as singr-prod"),
            "Firebase project.",
            needed=_FCM,
        ),
    ] = ""
    client_email: Annotated[
        str,
        Variable("FIREBASE_CLIENT_EMAIL", email_address(), "Service account that may send its messages.", needed=_FCM),
    ] = ""
    private_key: Annotated[
        Secret,
        Variable("FIREBASE_PRIVATE_KEY", account_key(), "Private key of that account, PEM, on one line.", needed=_FCM),
    ] = Secret("")
    base_url: Annotated[str, Variable("FIREBASE_BASE_URL", web_url(), "Address of Firebase Cloud Messaging.")] = (
        "https://fcm.googleapis.com"
    )
    token_url: Annotated[str, Variable("FIREBASE_TOKEN_URL", web_url(), "Where access tokens come from.")] = (
        "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    )


class PushSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Provider that delivers push notifications."""

    provider: Annotated[
        PushProviderName,
        Variable("PUSH_PROVIDER", choice(PushProviderName), "Provider that delivers push notifications."),
    ] = PushProviderName.CONSOLE
    enabled: Annotated[
        bool, Variable("ENABLE_PUSH_SENDING", boolean(), "false logs what would be sent and counts it as sent.")
    ] = True
    firebase: FirebaseSettings = FirebaseSettings()
