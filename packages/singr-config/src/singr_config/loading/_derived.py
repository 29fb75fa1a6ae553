"""Values that follow from others where nothing is given."""

from urllib.parse import urlsplit

from singr_config.loading._rules import Draft, belongs_to
from singr_config.values._kinds import origin_of
from singr_config.values._secret import Secret

LOOPBACK = "127.0.0.1"
_NAMED = ("MAILJET_FROM_NAME", "TWO_FACTOR_ISSUER")
_APPS = ("APP_URL_WEB", "APP_URL_CUSTOMER")


def derive(draft: Draft) -> None:
    """Fill in what was left open. A section that is read alone lacks what others would tell it; that stays empty."""
    values = draft.values
    if "BRAND_NAME" in draft.given and "BRAND_NAME" in values:
        values.update({name: values["BRAND_NAME"] for name in _NAMED if name in values and name not in draft.given})
    if values.get("RABBITMQ_URL") and "REDIS_URL" in values and "REDIS_URL" not in draft.given:
        values["REDIS_URL"] = Secret("")  # whoever has RabbitMQ says it, where there is a Redis beside it
    if values.get("METRICS_PORT") is not None and not values.get("METRICS_HOST"):
        values["METRICS_HOST"] = LOOPBACK
    if values.get("WEBAUTHN_RP_ID") == "" and values.get("APP_URL_WEB"):
        values["WEBAUTHN_RP_ID"] = urlsplit(values["APP_URL_WEB"]).hostname or ""
    if values.get("WEBAUTHN_ORIGINS") == () and values.get("WEBAUTHN_RP_ID"):
        found = (origin_of(values[name]) for name in _APPS if values.get(name))
        own = (origin for origin in found if belongs_to(origin, values["WEBAUTHN_RP_ID"]))
        values["WEBAUTHN_ORIGINS"] = tuple(dict.fromkeys(own))
