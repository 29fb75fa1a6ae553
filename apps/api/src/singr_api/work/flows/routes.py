"""Flows: make, add to, close, cancel, list, read; and their members as a graph."""

from typing import Any, Final
from uuid import UUID

import msgspec

from singr_api.admission.call import Call
from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import FLOW_CLOSED, NOT_ALLOWED, NOT_FOUND, TOO_MANY_FLOWS, UNKNOWN_MEMBER
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_api.work.flows import examples, schemas
from singr_api.work.flows.intake import RequestedJobs, refusing
from singr_api.work.shared import require_for_flow
from singr_db import TenantSession
from singr_jobs import Flow, FlowView, OnFailure, cancel_flow, close_flow, list_flows, list_members, read_flow

flows = Section("Flows", access=Access.CALLER, scope="jobs:read")
_CHANGES: Final[dict[str, Any]] = {
    "scope": "jobs:write",
    "idempotent": True,
    "query": OrganizationQuery,
    "one_factor": "It is the organization's daily work, and gives nobody lasting power.",
}


@flows.route(
    "POST /v1/flows",
    "createFlow",
    Answer("Committed.", status=201, location="/v1/flows", made=examples.MADE),
    body_examples={"tonight": examples.TONIGHT},
    problems=(TOO_MANY_FLOWS, UNKNOWN_MEMBER, NOT_ALLOWED),
    **_CHANGES,
)
async def create(
    session: TenantSession, services: Services, organization_id: UUID, body: schemas.CreateFlow, call: Call
) -> schemas.FlowMade:
    """Create a flow.

    Up to 1,000 related jobs in one request, some of which wait for others, and one that runs after all of them. Either
    all are committed, or none. However a member ends, jobs that waited only for it become due at once. Each job
    requires the permissions that `POST /v1/jobs` requires for its type. All jobs of one request together can have at
    most 10,000 dependencies.

    If `close` is false, more jobs can be added. An organization can have a limited number of open flows (1,000 by
    default), and an open flow with nothing left to run is cancelled after a while (30 days by default).
    """
    with refusing("name"):
        flow = Flow(body.name, on_failure=OnFailure(body.on_failure), stays_open=not body.close)
    asked = RequestedJobs(call, services.flow_requests, flow, organization_id)
    for place, job in enumerate(body.jobs):
        asked.add(place, job)
    if body.then is not None:
        asked.then(body.then)
    await asked.store(session)
    return await _told(session, flow.id, organization_id, asked)


@flows.route(
    "POST /v1/flows/{flow_id}/jobs",
    "addFlowJobs",
    Answer("Committed.", status=202, added=examples.ADDED),
    body_examples={"more": examples.MORE},
    problems=(FLOW_CLOSED, UNKNOWN_MEMBER, NOT_ALLOWED, NOT_FOUND),
    **_CHANGES,
)
async def add(
    session: TenantSession, services: Services, flow_id: UUID, body: schemas.AddJobs, call: Call
) -> schemas.FlowMade:
    """Add jobs to a flow.

    While the flow is open. They can wait for each other, and for existing members, by id.
    """
    flow = Flow.existing(flow_id)
    asked = RequestedJobs(call, services.flow_requests, flow, session.organization_id)
    for place, job in enumerate(body.jobs):
        asked.add(place, job)
    await asked.store(session)
    if body.close:
        await close_flow(session, flow_id, organization_id=session.organization_id)
    return await _told(session, flow_id, session.organization_id, asked)


@flows.route("POST /v1/flows/{flow_id}/close", "closeFlow", Answer("Closed.", closed=examples.CLOSED), **_CHANGES)
async def close(session: TenantSession, organization_id: UUID, flow_id: UUID) -> FlowView:
    """Close a flow.

    It accepts no more jobs, and its completion job runs once all others have ended. A flow that is already closed stays
    as it is.
    """
    return await close_flow(session, flow_id, organization_id=organization_id)


@flows.route(
    "POST /v1/flows/{flow_id}/cancel",
    "cancelFlow",
    Answer("Cancelled.", cancelled=examples.CANCELLED),
    problems=(FLOW_CLOSED, NOT_ALLOWED),
    **_CHANGES,
)
async def cancel(session: TenantSession, call: Call, organization_id: UUID, flow_id: UUID) -> FlowView:
    """Cancel a flow.

    Waiting jobs are cancelled at once, or within seconds if there are more than a thousand; running ones are asked to
    stop. A flow that is already cancelled is returned unchanged; one whose jobs have all ended cannot be cancelled
    (409). The caller needs the permissions required to cancel each of its jobs.
    """
    await require_for_flow(call.principal, session, organization_id, flow_id)
    return await cancel_flow(session, flow_id, organization_id=organization_id)


@flows.route("GET /v1/flows", "listFlows", page_with(examples.VIEW))
async def index(session: TenantSession, organization_id: UUID, query: schemas.FlowQuery) -> schemas.FlowPage:
    """List flows.

    Newest first.
    """
    return schemas.FlowPage.of(
        await list_flows(
            session, organization_id=organization_id, limit=query.limit, cursor=query.cursor, state=query.state
        )
    )


@flows.route("GET /v1/flows/{flow_id}", "readFlow", Answer("The flow.", one=examples.ONE), query=OrganizationQuery)
async def read(session: TenantSession, organization_id: UUID, flow_id: UUID) -> FlowView:
    """Read a flow.

    Its state, and how many of its members ended in which way.
    """
    return await read_flow(session, flow_id, organization_id=organization_id)


@flows.route("GET /v1/flows/{flow_id}/graph", "readFlowGraph", page_with(examples.MEMBER))
async def graph(session: TenantSession, flow_id: UUID, query: schemas.GraphQuery) -> schemas.MemberPage:
    """Read a flow's graph.

    Its members in the order in which they were added, each with its state and its dependencies. A member comes after
    everything that it waits for.
    """
    return schemas.MemberPage.of(await list_members(session, flow_id, limit=query.limit, cursor=query.cursor))


async def _told(session: TenantSession, flow_id: UUID, organization_id: UUID, asked: RequestedJobs) -> schemas.FlowMade:
    view = await read_flow(session, flow_id, organization_id=organization_id)
    return schemas.FlowMade(**msgspec.structs.asdict(view), jobs=asked.made)
