"""Statistics of deliveries."""

from singr_api.admission.policy import Access
from singr_api.messages.statistics.examples import WEEK
from singr_api.messages.statistics.schemas import StatisticsQuery
from singr_api.routing.route import Answer, Section
from singr_comms.notifications import DeliveryStatistics, delivery_statistics
from singr_db import TenantSession

statistics = Section("Deliveries", access=Access.CALLER, scope="notifications:read")


@statistics.route("GET /v1/statistics/deliveries", "readDeliveryStatistics", Answer("They are told.", day=WEEK))
async def deliveries(session: TenantSession, query: StatisticsQuery) -> DeliveryStatistics:
    """How many messages came to what?

    How many stand where, and why; which part of what providers took was delivered, bounced, complained of; and how long
    it took until they were delivered. By full hours (UTC) of when they were asked for. An hour that goes on is counted
    each minute (`counted_at`), one that is over when a quarter of its age has passed, for eight days. By `user`, the
    newest 50,000 messages are looked through now, and `since` says how far that led.
    """
    asked = query.asked()
    return await delivery_statistics(session, by=asked.by, since=asked.since, until=asked.until)
