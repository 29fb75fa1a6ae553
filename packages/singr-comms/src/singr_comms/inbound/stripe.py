"""Stripe's webhooks (https://docs.stripe.com/webhooks): hints that something changed, which is then fetched."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

from singr_comms.inbound._callback import (
    Callback,
    ForgedError,
    InboundType,
    News,
    ObjectNews,
    OtherNews,
    Secrets,
    UnreadableError,
    any_same,
    check_time,
    decoded,
    moment,
    text_of,
    word_of,
)
from singr_config import Settings

_MOST_SIGNATURES: Final = 20


class StripeInbound:
    """Events of Stripe, one a request.

    Args:
        secrets: the endpoint's signing secret (`whsec_…`), and the one of before.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def prove(self, callback: Callback, *, now: float) -> None:
        """Verify the signature, and that its time is near, in the past or in the future. Raises ForgedError."""
        secrets = tuple(self._secrets.each())
        fields = [part.partition("=") for part in callback.headers.get("stripe-signature", "").split(",")]
        stamps = [value.strip() for name, _, value in fields if name.strip() == "t"]
        given = [value.strip() for name, _, value in fields if name.strip() == "v1"][:_MOST_SIGNATURES]
        if len(stamps) != 1 or not given:
            raise ForgedError("missing", "stripe-signature is required: t=…,v1=…")
        check_time(stamps[0], now)
        signed = f"{int(stamps[0])}.".encode() + callback.body
        if not any_same(given, [hmac.digest(secret.encode(), signed, "sha256").hex() for secret in secrets]):
            raise ForgedError("mismatch", "no signature fits a secret that is set here")

    def read(self, callback: Callback) -> Sequence[News]:
        """Read which subscription the event is about. Raises UnreadableError."""
        body = decoded(callback.body)
        key = text_of(body.get("id")) if isinstance(body, dict) else None
        if key is None:
            raise UnreadableError("the body is no event: it has no id")
        event = word_of(body.get("type"))
        data = body.get("data")
        concerned = data.get("object") if isinstance(data, dict) else None
        found = text_of(_subscription(concerned)) if isinstance(concerned, dict) else None
        if found is None or not isinstance(concerned, dict):
            return [OtherNews(key=key, event=event)]
        return [
            ObjectNews(
                key=key,
                event=event,
                object="subscription",
                object_id=found,
                occurred_at=moment(body.get("created")),
                shown=concerned if concerned.get("object") == "subscription" else None,
            )
        ]


def _subscription(concerned: Mapping[str, Any]) -> object:
    """The id of the subscription that an object is, or belongs to; expanded or not."""
    if concerned.get("object") == "subscription":
        return concerned.get("id")
    parent = concerned.get("parent")  # invoices name it there since 2025-03-31
    details = parent.get("subscription_details") if isinstance(parent, dict) else None
    for holder in (concerned, details):
        named = holder.get("subscription") if isinstance(holder, dict) else None
        if named:
            return named.get("id") if isinstance(named, dict) else named
    return None


def _build(settings: Settings) -> StripeInbound:
    given = settings.webhooks
    return StripeInbound(Secrets("STRIPE_WEBHOOK_SECRET", given.stripe_secret, given.stripe_previous))


INBOUND: Final = InboundType("stripe", _build)
