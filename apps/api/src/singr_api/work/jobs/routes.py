"""Jobs: create, list, read, cancel."""

from typing import Any, Final
from uuid import UUID

from singr_api.admission.call import Call
from singr_api.admission.idempotency import Reply
from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import (
    FLOW_CLOSED,
    JOB_ENDED,
    JOB_EXISTS,
    JOB_GONE,
    JOB_RUNNING,
    NAME_IN_USE,
    NOT_ALLOWED,
    UNIQUE_KEY_HELD,
)
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_api.work.jobs.examples import (
    AGAIN,
    CANCELLED,
    DIGEST,
    EMAIL,
    FAILED,
    LATER,
    LINE,
    NEW,
    PAGE,
    SMS,
    SOONER,
    WAITS,
    WHY_AGAIN,
)
from singr_api.work.jobs.schemas import ChangeJob, CreateJob, JobPage, JobQuery, LogPage, LogQuery, RetryJob
from singr_api.work.shared import PRIORITIES, each_once, requests_of, require_for_job, union_of, within_reason
from singr_db import PlatformSession, TenantSession
from singr_jobs import (
    Explanation,
    JobDetail,
    JobView,
    cancel_job,
    change_job,
    explain,
    list_job_logs,
    list_jobs,
    read_job,
    retry_job,
    run_job_now,
)
from singr_platform import all_jobs

jobs = Section("Jobs", access=Access.CALLER, scope="jobs:read")
_WORK: Final = "It is the organization's daily work, and gives nobody lasting power."
_STEERS: Final[dict[str, Any]] = {"scope": "jobs:write", "idempotent": True, "one_factor": _WORK}
_LOCATION: Final = {"Location": "Where to read the job."}


@jobs.route(
    "POST /v1/jobs",
    "createJob",
    Answer("Committed.", of=JobView, status=202, headers=_LOCATION, job=NEW),
    Answer(
        "An unfinished job of this type already has this `unique_key`; it is returned.", of=JobView, headers=_LOCATION
    ),
    takes=union_of(requests_of(all_jobs(), CreateJob, "Create")),
    body_examples={"email": EMAIL, "sms": SMS, "later": LATER, "digest": DIGEST},
    problems=(JOB_EXISTS, JOB_GONE, NAME_IN_USE, NOT_ALLOWED),
    scope="jobs:write",
    idempotent=True,
    ingestion=True,
    one_factor=_WORK,
)
async def create(services: Services, call: Call) -> Reply:
    """Create a job.

    When this answers, the job is committed and will run, whatever fails in between. `type` determines the schema of
    `payload`. Sending a message also requires `notifications:write`. Callers of an organization can send the types that
    speak in its own name, with links to the platform's sites; messages about people's accounts are reserved for the
    platform's own credentials (403). Job and message are stored in one transaction with the idempotency record.
    """
    return await services.submitter.submit(call)


@jobs.route("GET /v1/jobs", "listJobs", Answer("A page of results.", page=PAGE))
async def index(session: TenantSession, query: JobQuery) -> JobPage:
    """List jobs.

    Newest first by default.
    """
    return JobPage.of(
        await list_jobs(
            session,
            limit=query.limit,
            cursor=query.cursor,
            status=query.status,
            job_type=query.type,
            queue=query.queue,
            reference=query.reference,
            labels=each_once(query.label, "label", "query"),
            created_after=query.created_after,
            created_before=query.created_before,
            oldest_first=query.order == "oldest",
        )
    )


@jobs.route("GET /v1/jobs/{job_id}", "readJob", Answer("The job.", failed=FAILED), query=OrganizationQuery)
async def read(session: TenantSession, job_id: UUID) -> JobDetail:
    """Read a job.

    Includes every attempt that did not succeed.
    """
    return await read_job(session, job_id)


@jobs.route(
    "GET /v1/jobs/{job_id}/explain", "explainJob", Answer("The explanation.", waits=WAITS), query=OrganizationQuery
)
async def explained(session: TenantSession, job_id: UUID) -> Explanation:
    """Explain a job.

    Why it is not running, or how it ended, as a code for programs and a sentence for people; the reason that will last
    longest comes first. `error_code` is the error after which it is retried, or with which it failed. For a job that
    has not ended, `would_start` says whether its queue is paused and how many live workers serve the queue and know the
    job's type.
    """
    return await explain(session, job_id)


@jobs.route("GET /v1/jobs/{job_id}/logs", "listJobLogs", page_with(LINE))
async def logs(session: TenantSession, job_id: UUID, query: LogQuery) -> LogPage:
    """List a job's log lines.

    Oldest first: up to 200 lines or 64 KiB for each attempt, kept for as long as the job.
    """
    return LogPage.of(
        await list_job_logs(session, job_id, limit=query.limit, cursor=query.cursor, attempt=query.attempt)
    )


@jobs.route(
    "POST /v1/jobs/{job_id}/cancel",
    "cancelJob",
    Answer("Cancelled, or asked to stop.", cancelled=CANCELLED),
    query=OrganizationQuery,
    problems=(JOB_ENDED, NOT_ALLOWED),
    scope="jobs:write",
    idempotent=True,
    one_factor=_WORK,
)
async def cancel(session: TenantSession, call: Call, organization_id: UUID, job_id: UUID) -> JobView:
    """Cancel a job.

    A waiting job is cancelled at once. A running one is asked to stop: it stays `processing`, with `cancel_requested`,
    until its worker has stopped it. A job that is already cancelled is returned unchanged; one that is completed or has
    failed cannot be cancelled (409). The caller needs the permissions required to create a job of this type:
    `notifications:write` for a message, also for one of a notification. Jobs that callers cannot create, such as those
    that erase a recipient or decide who gets a notification, are steered by the platform's operators alone (403).
    """
    await require_for_job(call.principal, session, organization_id, job_id)
    return await cancel_job(session, job_id)


@jobs.route(
    "POST /v1/jobs/{job_id}/retry",
    "retryJob",
    Answer("The job is queued again.", again=AGAIN),
    query=OrganizationQuery,
    problems=(FLOW_CLOSED, JOB_ENDED, JOB_RUNNING, UNIQUE_KEY_HELD, NOT_ALLOWED),
    body_examples={"why": WHY_AGAIN},
    **_STEERS,
)
async def retry(
    session: PlatformSession, call: Call, organization_id: UUID, job_id: UUID, body: RetryJob | None = None
) -> JobView:
    """Retry a job.

    A job that failed for good or was cancelled is queued again under the same id, with its attempts counted from one;
    its dead letter is requeued with it. A completed job cannot be retried (409), nor can one that was cancelled with
    its flow; a job in a flow waits again for its dependencies. The caller needs the permissions required to create a
    job of this type: `notifications:write` for a message. A message with a code, whose content has been erased, is not
    sent again.
    """
    await require_for_job(call.principal, session, organization_id, job_id)
    reason = None if body is None else body.reason
    return _view(await retry_job(session, job_id, organization_id=organization_id, reason=reason))


@jobs.route(
    "POST /v1/jobs/{job_id}/run-now",
    "runJobNow",
    Answer("The job is due.", due=AGAIN),
    query=OrganizationQuery,
    problems=(JOB_ENDED, JOB_RUNNING, NOT_ALLOWED),
    **_STEERS,
)
async def run_now(session: PlatformSession, call: Call, organization_id: UUID, job_id: UUID) -> JobView:
    """Run a job now.

    A job that waits for its scheduled time or its next attempt becomes due at once; one that is already due stays as it
    is. The caller needs the permissions required to create a job of this type: `notifications:write` for a message.
    """
    await require_for_job(call.principal, session, organization_id, job_id)
    return _view(await run_job_now(session, job_id, organization_id=organization_id))


@jobs.route(
    "PATCH /v1/jobs/{job_id}",
    "changeJob",
    Answer("The job as it now waits.", changed=AGAIN),
    query=OrganizationQuery,
    problems=(JOB_ENDED, JOB_RUNNING, NOT_ALLOWED),
    body_examples={"sooner": SOONER},
    scope="jobs:write",
    one_factor=_WORK,
)
async def change(session: PlatformSession, call: Call, organization_id: UUID, job_id: UUID, body: ChangeJob) -> JobView:
    """Change a waiting job.

    Changes its priority, or the earliest time at which it may start. A job that a worker has already taken cannot be
    changed (409). The caller needs the permissions required to create a job of this type: `notifications:write` for a
    message.
    """
    await require_for_job(call.principal, session, organization_id, job_id)
    priority = None if body.priority is None else PRIORITIES[body.priority]
    run_at = within_reason(body.run_at)
    return _view(await change_job(session, job_id, organization_id=organization_id, priority=priority, run_at=run_at))


def _view(view: JobView | None) -> JobView:
    assert view is not None  # noqa: S101 - only jobs in memory answer none, for mypy
    return view
