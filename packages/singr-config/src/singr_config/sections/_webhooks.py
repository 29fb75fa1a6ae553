"""Section for the callbacks of providers: the secrets that prove them."""

from typing import Annotated

from singr_config.sections._variable import Variable
from singr_config.values._holds_secrets import HoldsSecrets
from singr_config.values._kinds import secret_text
from singr_config.values._secret import Secret

_NONE = Secret("")
_STANDARD = secret_text(
    1,
    "",
    r"(?:whsec_)?(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=?|[A-Za-z0-9+/]{2}(?:==)?)",
    "as Resend shows it: whsec_ and base64",
)


class WebhookSettings(HoldsSecrets, frozen=True, kw_only=True):
    """What proves that a provider called. Where a secret is empty, that provider's callbacks are refused.

    While a secret is being changed, the former one is accepted beside it.
    """

    mailjet_secret: Annotated[
        Secret,
        Variable(
            "MAILJET_WEBHOOK_SECRET",
            secret_text(16, "make one with: openssl rand -hex 24", r"[A-Za-z0-9._~-]+", "letters, digits, . _ ~ and -"),
            "Secret in the address that Mailjet calls: `/v1/webhooks/mailjet/SECRET`, or as password of basic auth.",
        ),
    ] = _NONE
    mailjet_previous: Annotated[
        Secret,
        Variable("MAILJET_WEBHOOK_SECRET_PREVIOUS", secret_text(), "Former value, accepted while it is being changed."),
    ] = _NONE
    resend_secret: Annotated[
        Secret, Variable("RESEND_WEBHOOK_SECRET", _STANDARD, "Signing secret of Resend's webhook, `whsec_…`.")
    ] = _NONE
    resend_previous: Annotated[
        Secret,
        Variable("RESEND_WEBHOOK_SECRET_PREVIOUS", _STANDARD, "Former value, accepted while it is being changed."),
    ] = _NONE
    twilio_previous_token: Annotated[
        Secret,
        Variable(
            "TWILIO_AUTH_TOKEN_PREVIOUS",
            secret_text(),
            "Former value of TWILIO_AUTH_TOKEN, accepted in signatures while it is being changed.",
        ),
    ] = _NONE
    twilio_key: Annotated[
        Secret,
        Variable(
            "TWILIO_WEBHOOK_KEY",
            secret_text(),
            "Shared key of Twilio's webhook settings, if they sign (HMAC_SHA256); otherwise TWILIO_AUTH_TOKEN is used.",
        ),
    ] = _NONE
    twilio_previous_key: Annotated[
        Secret,
        Variable("TWILIO_WEBHOOK_KEY_PREVIOUS", secret_text(), "Former value, accepted while it is being changed."),
    ] = _NONE
    stripe_secret: Annotated[
        Secret, Variable("STRIPE_WEBHOOK_SECRET", secret_text(), "Signing secret of Stripe's endpoint, `whsec_…`.")
    ] = _NONE
    stripe_previous: Annotated[
        Secret,
        Variable("STRIPE_WEBHOOK_SECRET_PREVIOUS", secret_text(), "Former value, accepted while it is being changed."),
    ] = _NONE
