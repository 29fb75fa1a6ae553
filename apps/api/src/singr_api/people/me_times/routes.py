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
_NOW: Final = Answer("The settings in force.", one=Example("Quiet at night, digests in the evening", _TIMES))


@mine.route("GET /v1/me/times", "readMyTimes", _NOW)
async def read(session: PlatformSession, call: UserCall, query: MyOrganizationQuery) -> OwnTimes:
    """Read your quiet hours and digest times for an organization."""
    holder = await preferences_holder_of_user(session, query.organization_id, call.user_id)
    return await read_times(session, holder)


@mine.route(
    "PUT /v1/me/times",
    "setMyTimes",
    _NOW,
    body_examples={"night": Example("Quiet at night, digests in the evening", _TIMES)},
)
async def write(session: PlatformSession, call: UserCall, query: MyOrganizationQuery, body: OwnTimes) -> OwnTimes:
    """Set your quiet hours and digest times for an organization; fields left out are cleared.

    In your own time zone. Pending digests move with it. Applies to what is decided or attempted from now on; a message
    that quiet hours hold back already still waits until the time set for it. They stay when the organization replaces
    your record (`PUT /v1/recipients/{external_id}`); only a value that it sends wins.
    """
    holder = await preferences_holder_of_user(session, query.organization_id, call.user_id)
    return await set_times(session, holder, body)
