"""What an organization subscribed to."""

from typing import Any, Final

from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import NOT_FOUND, FieldError, refused
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_comms.notifications import SubscriptionView, read_subscription_of
from singr_db import TenantSession

subscription = Section("Subscription", access=Access.CALLER, scope="billing:read")
_ACTIVE: Final[dict[str, Any]] = {
    "subscription": "sub_1RZ8xV2eZvKYlo2C",
    "customer": "cus_SUkVbM1gS2yTqL",
    "plan": "pro_monthly",
    "price": "price_1RZ8xS2eZvKYlo2C",
    "status": "active",
    "period_start": "2026-11-01T00:00:00Z",
    "period_end": "2026-12-01T00:00:00Z",
    "ends_with_period": False,
    "fetched_at": "2026-11-27T12:00:00Z",
    "updated_at": "2026-11-27T12:00:00Z",
}


@subscription.route(
    "GET /v1/subscription",
    "readSubscription",
    Answer("The subscription.", active=Example("An active subscription", _ACTIVE)),
    query=OrganizationQuery,
    problems=(NOT_FOUND,),
)
async def read(session: TenantSession) -> SubscriptionView:
    """Read the organization's subscription.

    As last reported by Stripe. If there are several, active ones (`active`, `trialing`, `past_due`) come before unpaid
    or paused ones, and these before ended ones; then the one whose period ends last.
    """
    found = await read_subscription_of(session)
    if found is None:
        message = "This organization has no subscription, or none whose metadata names it."
        raise refused(NOT_FOUND, FieldError("organization_id", message, "query", "not_found"))
    return found
