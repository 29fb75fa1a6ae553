"""Statistics of one person."""

from typing import Any, Final

from singr_api.admission.policy import Access
from singr_api.http.problems import NOT_FOUND
from singr_api.people.shared import IN_PATH, checked_id
from singr_api.people.statistics.schemas import PersonStatisticsQuery
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_comms.notifications import DeliveryStatistics
from singr_comms.people import recipient_statistics
from singr_db import TenantSession

statistics = Section("Recipients", access=Access.CALLER, scope="notifications:read")
_NONE: Final[dict[str, int]] = dict.fromkeys(
    ("queued", "dispatched", "sent", "delivered", "bounced", "complained", "failed", "unknown", "suppressed"), 0
)
_BY_EMAIL: Final[dict[str, Any]] = {
    "day": None,
    "type": None,
    "channel": "email",
    "provider": None,
    "user": None,
    "messages": 12,
    "states": _NONE | {"sent": 1, "delivered": 9, "suppressed": 2},
    "reasons": [{"status": "suppressed", "code": "preference", "messages": 2}],
    "rates": {"delivered": 0.9, "bounced": 0.0, "complained": 0.0},
    "seconds_to_delivered": {"median": 2.3, "p95": 9.1},
}
_MONTH: Final = Example(
    "A month by channel",
    {
        "from": "2026-10-23T12:00:00Z",
        "to": "2026-11-22T12:00:00Z",
        "since": "2026-10-23T12:00:00Z",
        "counted_at": "2026-11-22T11:59:12Z",
        "is_whole": True,
        "items": [_BY_EMAIL],
    },
)


@statistics.route(
    "GET /v1/recipients/{external_id}/statistics",
    "readRecipientStatistics",
    Answer("They are told.", month=_MONTH),
    problems=(NOT_FOUND,),
    **IN_PATH,
)
async def of_person(
    session: TenantSession, services: Services, external_id: str, query: PersonStatisticsQuery
) -> DeliveryStatistics:
    """How many messages to a person came to what?

    How many stand where, and why; which part of what providers took was delivered, bounced, complained of; and how long
    it took until they were delivered. Of messages that named the person, and of those that named their address or
    number alone, counted now: the newest 10,000 that are kept, and `since` says how far back that led. By full hours
    (UTC) of when they were asked for. Who was erased is found no more.
    """
    asked = query.asked()
    return await recipient_statistics(
        session, checked_id(external_id), sealer=services.sealer, by=asked.by, since=asked.since, until=asked.until
    )
