"""The delivery log."""

from uuid import UUID

from msgspec.structs import asdict

from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import NOT_FOUND, FieldError, refused
from singr_api.messages.deliveries.examples import ATTEMPT, DELIVERY
from singr_api.messages.deliveries.schemas import DeliveryPage, DeliveryQuery
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_comms.notifications import DeliveryDetail
from singr_db import TenantSession

deliveries = Section("Deliveries", access=Access.CALLER, scope="notifications:read")


@deliveries.route("GET /v1/deliveries", "listDeliveries", page_with(DELIVERY))
async def index(session: TenantSession, services: Services, query: DeliveryQuery) -> DeliveryPage:
    """List messages.

    Newest first. Recipients are masked; what a message says is not shown.
    """
    filters = {name: value for name, value in asdict(query).items() if name != "organization_id"}
    return DeliveryPage.of(await services.deliveries.list(session, **filters))


@deliveries.route(
    "GET /v1/deliveries/{delivery_id}",
    "readDelivery",
    Answer("The message.", sent=Example("Sent at the first attempt", {**DELIVERY, "attempts": [ATTEMPT]})),
    query=OrganizationQuery,
)
async def read(session: TenantSession, services: Services, delivery_id: UUID) -> DeliveryDetail:
    """Read a message's story.

    With every attempt at a provider.
    """
    found = await services.deliveries.read(session, delivery_id)
    if found is None:
        message = "There is no such message in this organization."
        raise refused(NOT_FOUND, FieldError("delivery_id", message, "path", "not_found"))
    return found
