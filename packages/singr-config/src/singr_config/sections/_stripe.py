"""Section for Stripe: what its subscriptions are asked for with."""

from typing import Annotated

from singr_config.sections._variable import Variable
from singr_config.values._holds_secrets import HoldsSecrets
from singr_config.values._kinds import secret_text, web_url
from singr_config.values._secret import Secret


class StripeSettings(HoldsSecrets, frozen=True, kw_only=True):
    """Asking Stripe. Without a key, subscriptions are known as far as its events show them."""

    secret_key: Annotated[
        Secret,
        Variable(
            "STRIPE_SECRET_KEY",
            secret_text(),
            "Key that may read subscriptions and customers, preferably a restricted one, `rk_…`; empty: Stripe is not"
            " asked.",
        ),
    ] = Secret("")
    base_url: Annotated[str, Variable("STRIPE_BASE_URL", web_url(), "Address of Stripe's API.")] = (
        "https://api.stripe.com"
    )
