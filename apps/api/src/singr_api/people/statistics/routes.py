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
    Answer("The statistics.", month=_MONTH),
    problems=(NOT_FOUND,),
    **IN_PATH,
)
async def of_person(
    session: TenantSession, services: Services, external_id: str, query: PersonStatisticsQuery
) -> DeliveryStatistics:
    """Read statistics of messages to a person.

    How many messages are in each state, and why; the share of accepted messages that were delivered, bounced or
    complained about; and how long delivery took. Includes messages that named the person, and those that named only
    their address or number, counted on request: the newest 10,000 that are kept; `since` says how far back that
    reached. By full hours (UTC) in which they were requested. An erased person is no longer found.
    """
    asked = query.asked()
    return await recipient_statistics(
        session, checked_id(external_id), sealer=services.sealer, by=asked.by, since=asked.since, until=asked.until
    )
