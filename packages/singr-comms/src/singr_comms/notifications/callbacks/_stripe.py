"""A subscription as Stripe has it: asked for, and read from what it answers or from what an event shows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec

from singr_comms._errors import AccountRefusedError, TransientError
from singr_comms.inbound import ObjectNews
from singr_comms.inbound._callback import moment, own_id, text_of, word_of
from singr_comms.providers._http import Answer, Bearer, HttpCaller
from singr_config import StripeSettings
from singr_db import Database, sql_text
from singr_jobs import RetryLater
from singr_observability import trace_headers

# The fetch that began last began after every event that was told, so that it shows what they changed; whatever changes
# meanwhile is told by an event of its own. From a sequence, since clocks go back.
_TURN: Final = sql_text("SELECT nextval('subscription_fetches') AS turn, clock_timestamp() AS began")
# What stands before Stripe, or at a wrong address, answers 404 as well: only Stripe says this.
_NOT_FOUND: Final = 404
_GONE: Final = "stripe_resource_missing"
# Until it is over, and as often as it takes: the callback itself is gone after thirty days.
_OUTAGE: Final = 60.0
_REFUSED: Final = 300.0


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a subscription.

    Args:
        subscription: Stripe's id of it.
        organization_id: whose it is, by its own metadata or its customer's; None where neither says.
        customers_organization_id: whose it is by its customer's metadata alone.
        customer: Stripe's id.
        price: of its first item.
        plan: that price's lookup key, else its nickname, else its product.
        status: Stripe's word.
        period_start: of the current period, by its first item, or by itself as before 2025-03-31.
        period_end: likewise.
        ends_with_period: whether it is cancelled at the end of the period.
    """

    subscription: str
    organization_id: UUID | None
    customers_organization_id: UUID | None
    customer: str
    price: str | None
    plan: str | None
    status: str
    period_start: datetime | None
    period_end: datetime | None
    ends_with_period: bool


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking.

    Args:
        news: the hint.
        state: the subscription, where it is known.
        reason: why it is not.
        turn: which fetch it is of; None: nobody fetched it, an event showed it.
        began: when that fetch began.
    """

    news: ObjectNews
    state: Subscription | None = None
    reason: str | None = None
    turn: int | None = None
    began: datetime | None = None


class StripeSubscriptions:
    """Asks Stripe for subscriptions; without a key, believes what events show.

    Args:
        db: numbers the fetches.
        settings: the key and the address.
        http: the application's client.
    """

    def __init__(self, db: Database, settings: StripeSettings, http: httpx.AsyncClient) -> None:
        self._db = db
        self._settings = settings
        self._caller = HttpCaller(http, provider="stripe", trace_headers=trace_headers)

    async def look(self, news: ObjectNews) -> Told:
        """Find out what a subscription is now.

        Raises:
            RetryLater: Stripe cannot be asked now. It costs no attempt.
        """
        if not self._settings.secret_key:
            return _shown(news)
        async with self._db.platform() as session:
            turn, began = (await session.execute(_TURN)).one()
        address = f"{self._settings.base_url}/v1/subscriptions/{quote(news.object_id, safe='')}"
        auth, query = Bearer(self._settings.secret_key), {"expand[]": "customer"}
        try:
            answer = await self._caller.ask(address, auth=auth, params=query, name=_name)
        except TransientError as error:
            if error.code == _GONE:
                return Told(news=news, reason="Stripe knows no such subscription in the account of STRIPE_SECRET_KEY")
            least = _REFUSED if isinstance(error, AccountRefusedError) else _OUTAGE
            raise RetryLater(max(least, error.retry_after or 0.0), error.code, error.message, counts=False) from error
        state = read_subscription(answer)
        if state is None or state.subscription != news.object_id:
            return Told(news=news, reason="what Stripe answered is not this subscription")
        return Told(news=news, state=state, turn=turn, began=began)


def _name(answer: Answer) -> str | None:
    error = answer.body.get("error")
    missing = answer.status == _NOT_FOUND and isinstance(error, dict) and error.get("code") == "resource_missing"
    return _GONE if missing else None


def _shown(news: ObjectNews) -> Told:
    state = None if news.shown is None else read_subscription(news.shown)
    if state is None:
        return Told(news=news, reason="the event does not show the subscription, and STRIPE_SECRET_KEY is not set")
    if news.occurred_at is None:
        return Told(news=news, reason="the event has no time, and STRIPE_SECRET_KEY is not set")
    return Told(news=news, state=state)


def read_subscription(said: Mapping[str, Any]) -> Subscription | None:
    """A subscription as Stripe writes it, of any version of its API; None where it is none."""
    customer = said.get("customer")
    known = text_of(said.get("id"))
    whose = text_of(customer.get("id") if isinstance(customer, dict) else customer)
    if said.get("object") != "subscription" or known is None or whose is None or not said.get("status"):
        return None
    items = said.get("items")
    listed = items.get("data") if isinstance(items, dict) else None
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    price = first.get("price")
    priced: dict[str, Any] = price if isinstance(price, dict) else {}
    names = (text_of(priced.get(name)) for name in ("lookup_key", "nickname", "product"))
    by_customer = _organization(customer) if isinstance(customer, dict) else None
    return Subscription(
        subscription=known,
        organization_id=_organization(said) or by_customer,
        customers_organization_id=by_customer,
        customer=whose,
        price=text_of(priced.get("id")),
        plan=next((name for name in names if name), None),
        status=word_of(said["status"]),
        period_start=moment(first.get("current_period_start") or said.get("current_period_start")),
        period_end=moment(first.get("current_period_end") or said.get("current_period_end")),
        ends_with_period=said.get("cancel_at_period_end") is True,
    )


def _organization(holder: Mapping[str, Any]) -> UUID | None:
    metadata = holder.get("metadata")
    return own_id(metadata.get("organization_id")) if isinstance(metadata, dict) else None
