"""When digests come by default, read and set by the organization."""

from typing import Any, Final

from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_comms.people import DefaultDigestTime, read_digest_defaults, set_digest_defaults
from singr_db import TenantSession

defaults = Section("Preferences", access=Access.CALLER)
_FRIDAYS: Final[dict[str, Any]] = {"at": "17:00", "weekday": 5}
_NOW: Final = Answer("As it is now.", one=Example("At five, on Fridays", _FRIDAYS))


@defaults.route(
    "GET /v1/preferences/defaults/digest",
    "readDefaultDigestTime",
    _NOW,
    query=OrganizationQuery,
    scope="notifications:read",
)
async def read(session: TenantSession) -> DefaultDigestTime:
    """Read when digests come to those who have not said when they want them, on their own clock."""
    return await read_digest_defaults(session)


@defaults.route(
    "PUT /v1/preferences/defaults/digest",
    "setDefaultDigestTime",
    _NOW,
    query=OrganizationQuery,
    body_examples={"fridays": Example("At five, on Fridays", _FRIDAYS)},
    scope="organization:write",
)
async def write(session: TenantSession, body: DefaultDigestTime) -> DefaultDigestTime:
    """Set when digests come to those who have not said when; fields left out are cleared: at 08:00, on Mondays.

    What somebody said of themselves stays, each of the two by itself. Digests that people have open come at the time
    that they have, the next ones by this.
    """
    return await set_digest_defaults(session, body)
