"""Routes of jobs."""

from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency

from singr_api.admission.call import (
    answer,
    answer_reply,
    call_of,
    organization_of,
    path_id,
    query_of,
    refusal_reply,
)
from singr_api.admission.idempotency import Reply
from singr_api.admission.idempotency import Request as IdempotentRequest
from singr_api.http.fields import OrganizationQuery
from singr_api.http.pages import link_next
from singr_api.http.validation import encode
from singr_api.wiring.services import Services
from singr_api.work.jobs.schemas import JobPage, JobQuery
from singr_db import TenantSession
from singr_jobs import cancel_job, list_jobs, read_job

AnyRequest = Request[Any, Any, Any]


@post("/v1/jobs", status_code=202)
async def create(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Create a job."""
    return answer_reply(request, await services.submitter.submit(call_of(request)))


@get("/v1/jobs")
async def index(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List jobs, newest first."""
    query = query_of(request, JobQuery)
    async with services.db.tenant(organization_of(call_of(request).principal, query.organization_id)) as session:
        page = await list_jobs(
            session,
            limit=query.limit,
            cursor=query.cursor,
            status=query.status,
            job_type=query.type,
            queue=query.queue,
            created_after=query.created_after,
            created_before=query.created_before,
            oldest_first=query.order == "oldest",
        )
    return answer(JobPage(page.items, page.next_cursor), headers=link_next(request, page.next_cursor))


@get("/v1/jobs/{job_id:str}")
async def read(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Read a job with its attempts."""
    query = query_of(request, OrganizationQuery)
    job_id = path_id(request, "job_id")
    async with services.db.tenant(organization_of(call_of(request).principal, query.organization_id)) as session:
        return answer(await read_job(session, job_id))


@post("/v1/jobs/{job_id:str}/cancel", status_code=200)
async def cancel(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Cancel a job."""
    call = call_of(request)
    query = query_of(request, OrganizationQuery)
    job_id = path_id(request, "job_id")
    organization_id = organization_of(call.principal, query.organization_id)

    async def work(session: TenantSession) -> Reply:
        return Reply(200, encode(await cancel_job(session, job_id)))

    bound = IdempotentRequest(organization_id, call.idempotency_key or "", call.method, call.target, call.body_hash)
    return answer_reply(request, await services.idempotency.run(bound, work, refusal_reply(call)))


router = Router("/", route_handlers=[create, index, read, cancel])
