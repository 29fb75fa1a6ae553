"""Routes of the delivery log."""

from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency

from singr_api.admission.call import answer, call_of, organization_of, path_id, query_of
from singr_api.http.pages import link_next
from singr_api.http.problems import NOT_FOUND, FieldError, Problem
from singr_api.messages.deliveries.schemas import DeliveryPage, DeliveryQuery
from singr_api.wiring.services import Services
from singr_api.work.jobs.schemas import OrganizationQuery

AnyRequest = Request[Any, Any, Any]


@get("/v1/deliveries")
async def index(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List messages, newest first."""
    query = query_of(request, DeliveryQuery)
    async with services.db.tenant(organization_of(call_of(request).principal, query.organization_id)) as session:
        page = await services.deliveries.list(
            session,
            channel=query.channel,
            status=query.status,
            kind=query.kind,
            job_id=query.job_id,
            recipient=query.recipient,
            created_after=query.created_after,
            created_before=query.created_before,
            limit=query.limit,
            cursor=query.cursor,
        )
    return answer(DeliveryPage(page.items, page.next_cursor), headers=link_next(request, page.next_cursor))


@get("/v1/deliveries/{delivery_id:str}")
async def read(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Read a message's story, attempt by attempt."""
    query = query_of(request, OrganizationQuery)
    delivery_id = path_id(request, "delivery_id")
    async with services.db.tenant(organization_of(call_of(request).principal, query.organization_id)) as session:
        found = await services.deliveries.read(session, delivery_id)
    if found is None:
        message = "There is no such message in this organization."
        raise Problem(NOT_FOUND, message, errors=(FieldError("delivery_id", message, "path", "not_found"),))
    return answer(found)


router = Router("/", route_handlers=[index, read])
