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
_LOCATION: Final = {"Location": "Where the job can be read."}


@jobs.route(
    "POST /v1/jobs",
    "createJob",
    Answer("Committed.", of=JobView, status=202, headers=_LOCATION, job=NEW),
    Answer("An unfinished job of this type has this `unique_key`; this is it.", of=JobView, headers=_LOCATION),
    takes=union_of(requests_of(all_jobs(), CreateJob, "Create")),
    body_examples={"email": EMAIL, "sms": SMS, "later": LATER, "digest": DIGEST},
    problems=(JOB_EXISTS, JOB_GONE, NAME_IN_USE),
    scope="jobs:write",
    idempotent=True,
    ingestion=True,
    one_factor=_WORK,
)
async def create(services: Services, call: Call) -> Reply:
    """Create a job.

    When this answers, the job is committed: it will run, whatever fails in between. `type` says what the `payload` is.
    A message needs `notifications:write` as well. Callers of an organization send what speaks in its own name, with
    links to the platform's sites; what speaks for people's accounts is kept to the platform's own credentials (403).
    Job and message are stored in one transaction with the idempotency record.
    """
    return await services.submitter.submit(call)


@jobs.route("GET /v1/jobs", "listJobs", Answer("A page.", page=PAGE))
async def index(session: TenantSession, query: JobQuery) -> JobPage:
    """List jobs.

    Newest first, unless told.
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

    With every attempt that did not succeed.
    """
    return await read_job(session, job_id)


@jobs.route("GET /v1/jobs/{job_id}/explain", "explainJob", Answer("Why.", waits=WAITS), query=OrganizationQuery)
async def explained(session: TenantSession, job_id: UUID) -> Explanation:
    """Explain a job.

    Why it is not running, or how it ended, in a word for programs and in a sentence for people; what holds longest
    comes first. `error_code` says after which error it is tried again, or has failed. `would_start` says of one that
    has not ended whether its queue is paused, and how many workers that live serve it and know its type.
    """
    return await explain(session, job_id)


@jobs.route("GET /v1/jobs/{job_id}/logs", "listJobLogs", page_with(LINE))
async def logs(session: TenantSession, job_id: UUID, query: LogQuery) -> LogPage:
    """List what a job's handler wrote.

    Oldest first: 200 lines or 64 KiB of each attempt, for as long as the job is kept.
    """
    return LogPage.of(
        await list_job_logs(session, job_id, limit=query.limit, cursor=query.cursor, attempt=query.attempt)
    )


@jobs.route(
    "POST /v1/jobs/{job_id}/cancel",
    "cancelJob",
    Answer("Cancelled, or asked to stop.", cancelled=CANCELLED),
    query=OrganizationQuery,
    problems=(JOB_ENDED,),
    scope="jobs:write",
    idempotent=True,
    one_factor=_WORK,
)
async def cancel(session: TenantSession, job_id: UUID) -> JobView:
    """Cancel a job.

    A waiting job is cancelled at once. A running one is asked to stop: it stays `processing`, with `cancel_requested`,
    until its worker has stopped it. One that was cancelled before is answered as it is; one that is completed or has
    failed cannot be cancelled (409).
    """
    return await cancel_job(session, job_id)


@jobs.route(
    "POST /v1/jobs/{job_id}/retry",
    "retryJob",
    Answer("It waits again.", again=AGAIN),
    query=OrganizationQuery,
    problems=(FLOW_CLOSED, JOB_ENDED, JOB_RUNNING, UNIQUE_KEY_HELD),
    body_examples={"why": WHY_AGAIN},
    **_STEERS,
)
async def retry(
    session: PlatformSession, call: Call, organization_id: UUID, job_id: UUID, body: RetryJob | None = None
) -> JobView:
    """Try a job again.

    One that failed for good, or was cancelled, waits again under its id, and its attempts begin at one; its dead letter
    is requeued with it. One that is completed is not tried again (409), nor one that was cancelled with its flow; a
    flow's job waits again for those that it waited for. Whoever asks needs what creating a job of its type needs:
    `notifications:write` for a message. One with a code, whose words are erased, is not sent any more.
    """
    await require_for_job(call.principal, session, organization_id, job_id)
    reason = None if body is None else body.reason
    return _view(await retry_job(session, job_id, organization_id=organization_id, reason=reason))


@jobs.route(
    "POST /v1/jobs/{job_id}/run-now",
    "runJobNow",
    Answer("It is due.", due=AGAIN),
    query=OrganizationQuery,
    problems=(JOB_ENDED, JOB_RUNNING),
    **_STEERS,
)
async def run_now(session: PlatformSession, call: Call, organization_id: UUID, job_id: UUID) -> JobView:
    """Run a job now.

    One that waits for its time, or for its next attempt, is due at once; one that is due already stays as it is.
    Whoever asks needs what creating a job of its type needs: `notifications:write` for a message.
    """
    await require_for_job(call.principal, session, organization_id, job_id)
    return _view(await run_job_now(session, job_id, organization_id=organization_id))


@jobs.route(
    "PATCH /v1/jobs/{job_id}",
    "changeJob",
    Answer("As it waits now.", changed=AGAIN),
    query=OrganizationQuery,
    problems=(JOB_ENDED, JOB_RUNNING),
    body_examples={"sooner": SOONER},
    scope="jobs:write",
    one_factor=_WORK,
)
async def change(session: PlatformSession, call: Call, organization_id: UUID, job_id: UUID, body: ChangeJob) -> JobView:
    """Change a job that waits.

    Its priority, or the time before which it does not begin. What a worker has in hand is not changed any more (409).
    Whoever asks needs what creating a job of its type needs: `notifications:write` for a message.
    """
    await require_for_job(call.principal, session, organization_id, job_id)
    priority = None if body.priority is None else PRIORITIES[body.priority]
    run_at = within_reason(body.run_at)
    return _view(await change_job(session, job_id, organization_id=organization_id, priority=priority, run_at=run_at))


def _view(view: JobView | None) -> JobView:
    assert view is not None  # noqa: S101 - only jobs in memory answer none, for mypy
    return view
