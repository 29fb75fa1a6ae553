"""What an organization subscribed to: the newest that is known, and how it is read."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from singr_comms.notifications.callbacks._message_news import Effect
from singr_comms.notifications.callbacks._stripe import Subscription, Told
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession, TenantSession, new_id, sql_text
from singr_observability import get_logger

_log = get_logger("singr_comms.callbacks")
_KNOWN: Final = sql_text("SELECT organization_id, status FROM subscriptions WHERE subscription = :subscription")
# Before the subscription's own row, in the order in which an organization that is deleted takes its rows with it.
_IS_THERE: Final = sql_text("SELECT id FROM organizations WHERE id = :id FOR KEY SHARE")
# The newest fetch wins. What only an event showed goes by the event's time, to the second: what ended stays ended.
_KEEP: Final = sql_text("""
INSERT INTO subscriptions AS known (id, organization_id, subscription, customer, price, plan, status, period_start,
                                    period_end, ends_with_period, turn, fetched_at, event_created)
VALUES (:id, :organization_id, :subscription, :customer, :price, :plan, :status, :period_start, :period_end,
        :ends_with_period, CAST(:turn AS bigint), :fetched_at, CAST(:event_created AS timestamptz))
ON CONFLICT (subscription) DO UPDATE
   SET organization_id = coalesce(CAST(:said AS uuid), known.organization_id), customer = excluded.customer,
       price = excluded.price, plan = excluded.plan, status = excluded.status, period_start = excluded.period_start,
       period_end = excluded.period_end, ends_with_period = excluded.ends_with_period,
       turn = coalesce(excluded.turn, known.turn), fetched_at = excluded.fetched_at,
       event_created = greatest(excluded.event_created, known.event_created), updated_at = clock_timestamp()
 WHERE CASE WHEN excluded.turn IS NOT NULL THEN known.turn IS NULL OR known.turn < excluded.turn
            ELSE known.event_created IS NULL OR excluded.event_created > known.event_created
                 OR (excluded.event_created = known.event_created
                     AND (excluded.status IN ('canceled', 'incomplete_expired')
                          OR known.status NOT IN ('canceled', 'incomplete_expired'))) END
RETURNING id
""")
_READ: Final = sql_text("""
SELECT subscription, customer, plan, price, status, period_start, period_end, ends_with_period, fetched_at, updated_at
  FROM subscriptions WHERE organization_id = :organization_id
 ORDER BY CASE WHEN status IN ('active', 'trialing', 'past_due') THEN 0
               WHEN status IN ('canceled', 'incomplete_expired') THEN 2 ELSE 1 END,
          period_end DESC NULLS LAST, id DESC LIMIT 1
""")


class SubscriptionView(msgspec.Struct, frozen=True, kw_only=True):
    """An organization's subscription, as last known.

    Attributes:
        subscription: Stripe's id of it.
        customer: Stripe's id.
        plan: the lookup key of the price, or else its nickname, or else its product.
        price: Stripe's id of the first item's price.
        status: Stripe's status, such as `active`, `trialing`, `past_due` or `canceled`.
        period_start: start of the current period.
        period_end: of the current period.
        ends_with_period: whether it is cancelled at the end of the period.
        fetched_at: when Stripe was asked; null if only an event was received.
        updated_at: when this was last written.
    """

    subscription: str
    customer: str
    plan: str | None
    price: str | None
    status: str
    period_start: datetime | None
    period_end: datetime | None
    ends_with_period: bool
    fetched_at: datetime | None
    updated_at: datetime


async def read_subscription_of(session: TenantSession) -> SubscriptionView | None:
    """The subscription of the session's organization; None without one.

    Of several, one that runs before one that waits to be paid or is paused, and that before one that has ended.
    """
    row = (await session.execute(_READ, {"organization_id": session.organization_id})).one_or_none()
    return None if row is None else SubscriptionView(**row._asdict())


def _refused(state: Subscription, whose: UUID) -> str | None:
    """Why a subscription is not believed to be this organization's, though its metadata says so."""
    by_customer = state.customers_organization_id
    if by_customer is not None and by_customer != whose:
        return (
            f"metadata.organization_id of {state.subscription} is {whose}, that of its customer {state.customer}"
            f" is {by_customer}: one of them is wrong"
        )
    if whose == PLATFORM_ORGANIZATION_ID:
        return f"metadata.organization_id of {state.subscription} is the platform's own, which subscribes to nothing"
    return None


async def keep_subscription(session: PlatformSession, told: Told) -> Effect:
    """Keep what a subscription is, unless something newer is known."""
    news, state = told.news, told.state
    if state is None:
        return Effect(event=news.event, outcome="ignored", reason=told.reason)
    known = (await session.execute(_KNOWN, {"subscription": state.subscription})).one_or_none()
    whose = state.organization_id or (known.organization_id if known else None)
    if whose is None:
        reason = f"neither {state.subscription} nor its customer has metadata.organization_id with an organization's id"
        return Effect(event=news.event, outcome="ignored", reason=reason)
    if refused := _refused(state, whose):
        _log.warning("stripe: {}; nothing was applied", refused)
        return Effect(event=news.event, outcome="ignored", reason=refused)
    if (await session.execute(_IS_THERE, {"id": whose})).scalar() is None:
        reason = f"metadata.organization_id of {state.subscription} names no organization that is here"
        return Effect(event=news.event, outcome="ignored", reason=reason)
    values = msgspec.structs.asdict(state) | {
        "id": new_id(),
        "organization_id": whose,
        "said": state.organization_id,
        "turn": told.turn,
        "fetched_at": told.began,
        "event_created": news.occurred_at,
    }
    before = known.status if known else None
    kept = (await session.execute(_KEEP, values)).scalar() is not None
    return Effect(
        event=news.event,
        outcome="applied" if kept else "noted",
        reason=None if kept else "something newer is known",
        organization_id=whose,
        before=before,
        after=state.status if kept else before,
    )
