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
_NOW: Final = Answer("The default.", one=Example("At five, on Fridays", _FRIDAYS))


@defaults.route(
    "GET /v1/preferences/defaults/digest",
    "readDefaultDigestTime",
    _NOW,
    query=OrganizationQuery,
    scope="notifications:read",
)
async def read(session: TenantSession) -> DefaultDigestTime:
    """Read the default digest time for people who have not chosen one."""
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
    """Set the default digest time for people who have not chosen one; fields left out are reset: at 08:00, on Mondays.

    On the person's own clock. What people have chosen themselves stays, each of the two on its own. Digests already
    open come at their set time, the next ones by this default.
    """
    return await set_digest_defaults(session, body)
