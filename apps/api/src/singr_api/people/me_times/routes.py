"""When somebody is not to be disturbed, and when their digests come, read and set by themselves."""

from typing import Any, Final

from singr_api.admission.call import UserCall
from singr_api.admission.policy import Access
from singr_api.http.problems import NOT_FOUND
from singr_api.people.shared import MyOrganizationQuery
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_comms.people import OwnTimes, preferences_holder_of_user, read_times, set_times
from singr_db import PlatformSession

mine = Section("Preferences", access=Access.USER, problems=(NOT_FOUND,))
_TIMES: Final[dict[str, Any]] = {
    "time_zone": "Europe/Berlin",
    "quiet_hours": {"from": "22:00", "to": "07:30", "days": None},
    "digest": {"at": "18:00", "weekday": 5},
}
_NOW: Final = Answer("As they are now.", one=Example("Quiet at night, digests in the evening", _TIMES))


@mine.route("GET /v1/me/times", "readMyTimes", _NOW)
async def read(session: PlatformSession, call: UserCall, query: MyOrganizationQuery) -> OwnTimes:
    """Read when an organization does not disturb you, and when your digests come, on your own clock."""
    holder = await preferences_holder_of_user(session, query.organization_id, call.user_id)
    return await read_times(session, holder)


@mine.route(
    "PUT /v1/me/times",
    "setMyTimes",
    _NOW,
    body_examples={"night": Example("Quiet at night, digests in the evening", _TIMES)},
)
async def write(session: PlatformSession, call: UserCall, query: MyOrganizationQuery, body: OwnTimes) -> OwnTimes:
    """Set when an organization does not disturb you, and when your digests come; fields left out are cleared.

    Digests that are to come move with it. It holds for what is decided from now on, and for what is tried then. An
    organization that keeps you anew (`PUT /v1/recipients/{external_id}`) writes over it.
    """
    holder = await preferences_holder_of_user(session, query.organization_id, call.user_id)
    return await set_times(session, holder, body)
