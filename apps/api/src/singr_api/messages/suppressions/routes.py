"""Addresses that get no messages: list, look up, lift."""

from typing import Any, Final
from uuid import UUID

from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import NOT_FOUND
from singr_api.messages.suppressions.schemas import LiftSuppression, SuppressionPage, SuppressionQuery
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_comms.notifications import SuppressionView, lift_suppression, list_suppressions
from singr_db import PlatformSession, TenantSession

suppressions = Section("Suppressions", access=Access.CALLER, scope="notifications:read")
SUPPRESSION: Final[dict[str, Any]] = {
    "id": "019ab2c0-7f00-7000-8000-00000000000c",
    "channel": "email",
    "address": "j***@example.org",
    "of_all": False,
    "scope": "all",
    "reason": "complained",
    "message_id": "019ab2c0-7f00-7000-8000-000000000002",
    "created_at": "2026-11-27T12:00:00Z",
    "expires_at": None,
    "lifted_at": None,
    "lifted_by": None,
    "lifted_note": None,
}
_LIFTED: Final[dict[str, Any]] = SUPPRESSION | {
    "lifted_at": "2026-11-27T13:00:00Z",
    "lifted_by": "user:019ab2c0-7f00-7000-8000-000000000007",
    "lifted_note": "They asked for it by phone.",
}


@suppressions.route("GET /v1/suppressions", "listSuppressions", page_with(SUPPRESSION))
async def index(session: TenantSession, services: Services, query: SuppressionQuery) -> SuppressionPage:
    """List suppressed addresses.

    Newest first: those of the organization; with `recipient`, also platform-wide suppressions of that address
    (`of_all`), without who lifted them and why. Lifted and expired ones are included.
    """
    page = await list_suppressions(
        session,
        services.sealer,
        channel=query.channel,
        recipient=query.recipient,
        reason=query.reason,
        limit=query.limit,
        cursor=query.cursor,
    )
    return SuppressionPage.of(page)


@suppressions.route(
    "POST /v1/suppressions/{suppression_id}/lift",
    "liftSuppression",
    Answer("The address can be written to again.", lifted=Example("Lifted", _LIFTED)),
    query=OrganizationQuery,
    problems=(NOT_FOUND,),
    body_examples={"asked": Example("The recipient asked for it", {"note": "They asked for it by phone."})},
    scope="notifications:write",
    idempotent=True,
    one_factor="It is the organization's daily work, and gives nobody lasting power.",
)
async def lift(
    session: PlatformSession, organization_id: UUID, suppression_id: UUID, body: LiftSuppression
) -> SuppressionView:
    """Lift a suppression.

    Requires a note with the reason. A platform-wide suppression is lifted by the platform, which names its own
    organization. The provider may still refuse the address: its own suppression list is lifted there.
    """
    return await lift_suppression(session, suppression_id, organization_id=organization_id, note=body.note)
