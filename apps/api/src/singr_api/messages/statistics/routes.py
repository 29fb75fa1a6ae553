"""Statistics of deliveries."""

from singr_api.admission.policy import Access
from singr_api.messages.statistics.examples import WEEK
from singr_api.messages.statistics.schemas import StatisticsQuery
from singr_api.routing.route import Answer, Section
from singr_comms.notifications import DeliveryStatistics, delivery_statistics
from singr_db import TenantSession

statistics = Section("Deliveries", access=Access.CALLER, scope="notifications:read")


@statistics.route("GET /v1/statistics/deliveries", "readDeliveryStatistics", Answer("The statistics.", day=WEEK))
async def deliveries(session: TenantSession, query: StatisticsQuery) -> DeliveryStatistics:
    """Read delivery statistics.

    How many messages are in each state, and why; the share of accepted messages that were delivered, bounced or
    complained about; and how long delivery took. By full hours (UTC) in which they were requested. The current hour is
    counted every minute (`counted_at`); a past hour is recounted each time a quarter of its age has passed, for eight
    days. With `user`, the newest 50,000 messages are counted on request, and `since` says how far back that reached.
    """
    asked = query.asked()
    return await delivery_statistics(session, by=asked.by, since=asked.since, until=asked.until)
