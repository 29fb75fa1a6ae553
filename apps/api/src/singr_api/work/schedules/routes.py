"""Schedules: create, list, read, delete, pause, resume, run; what became of their times; a preview."""

from typing import Any, Final
from uuid import UUID

import msgspec

from singr_api.admission.call import Call
from singr_api.admission.policy import Access
from singr_api.http.fields import OrganizationQuery
from singr_api.http.problems import (
    CONFLICT,
    CRON_INVALID,
    NEVER_FIRES,
    NOT_ALLOWED,
    NOT_FOUND,
    SCHEDULE_ENDED,
    ZONE_UNKNOWN,
)
from singr_api.http.translations import problem_of
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_api.work.schedules import examples, schemas
from singr_api.work.shared import PRIORITIES, each_once, require_for_schedule
from singr_config.clock import clock
from singr_db import TenantSession
from singr_jobs import IntakeError, ReservedError
from singr_jobs.schedules import (
    MAKES,
    ScheduleView,
    Source,
    delete_schedule,
    draft_of,
    list_fires,
    list_schedules,
    pause_schedule,
    preview,
    put_schedule,
    read_schedule,
    resume_schedule,
    run_schedule_now,
    zone_of,
)

schedules = Section("Schedules", access=Access.CALLER, scope="schedules:read")
_CHANGES: Final[dict[str, Any]] = {"scope": "schedules:write", "idempotent": True, "query": OrganizationQuery}
_TIMES: Final = (CRON_INVALID, ZONE_UNKNOWN, NEVER_FIRES)


@schedules.route(
    "POST /v1/schedules",
    "createSchedule",
    Answer("The schedule was created.", status=201, location="/v1/schedules", made=examples.MADE),
    body_examples={"nightly": examples.NIGHTLY},
    problems=(*_TIMES, NOT_ALLOWED, CONFLICT),
    **_CHANGES,
)
async def create(
    session: TenantSession, services: Services, organization_id: UUID, body: schemas.CreateSchedule, call: Call
) -> ScheduleView:
    """Schedule a job.

    Creates one job at each scheduled time, whatever fails in between; a job may be created up to a second late. A
    schedule with the same name is replaced; if its times are unchanged, runs that are already due stay due. Requires
    `schedules:write`, `jobs:write` and the permissions for the job's type. The request is stored encrypted and is
    checked again at each run: if its creator no longer has the permission, or it can no longer become a job, the
    schedule is paused with a `problem`. An organization can have up to 1,000 schedules. Whoever replaces, pauses,
    resumes, runs or deletes a schedule needs the permissions for its job's type too.
    """
    draft = draft_of(body.name, body.when, **schemas.options_of(body))
    source = _source(services, call, organization_id, body.job)
    await require_for_schedule(call.principal, session, organization_id, body.name)
    return await put_schedule(session, draft, source, organization_id=organization_id)


@schedules.route("GET /v1/schedules", "listSchedules", page_with(examples.VIEW))
async def index(session: TenantSession, organization_id: UUID, query: schemas.ScheduleQuery) -> schemas.SchedulePage:
    """List schedules.

    Newest first.
    """
    return schemas.SchedulePage.of(
        await list_schedules(
            session, organization_id=organization_id, limit=query.limit, cursor=query.cursor, state=query.state
        )
    )


@schedules.route(
    "POST /v1/schedules/preview",
    "previewSchedule",
    Answer("The rule in words, and its next times.", told=examples.TOLD),
    body_examples={"cron": examples.TIMES},
    problems=_TIMES,
    asks=True,
)
async def ask(body: schemas.PreviewSchedule) -> schemas.PreviewView:
    """Preview a schedule.

    Describes the rule in English and lists its next times, without creating a schedule.
    """
    when = body.when
    told = preview(when, body.after or clock.now(), body.count, starts=body.starts, ends=body.ends)
    return schemas.PreviewView.of(told, zone_of(when))


@schedules.route(
    "GET /v1/schedules/{schedule_id}",
    "readSchedule",
    Answer("The schedule.", one=examples.ONE),
    query=OrganizationQuery,
)
async def read(session: TenantSession, organization_id: UUID, schedule_id: UUID) -> ScheduleView:
    """Read a schedule.

    Includes its last and next run times. The job request is not shown.
    """
    return await read_schedule(session, schedule_id, organization_id=organization_id)


@schedules.route(
    "DELETE /v1/schedules/{schedule_id}",
    "deleteSchedule",
    Answer("Deleted."),
    query=OrganizationQuery,
    scope="schedules:write",
    problems=(NOT_FOUND, NOT_ALLOWED),
)
async def delete(session: TenantSession, call: Call, organization_id: UUID, schedule_id: UUID) -> None:
    """Delete a schedule.

    Also deletes its history. Jobs that it has created continue.
    """
    await require_for_schedule(call.principal, session, organization_id, schedule_id)
    await delete_schedule(session, schedule_id, organization_id=organization_id)


@schedules.route(
    "POST /v1/schedules/{schedule_id}/pause",
    "pauseSchedule",
    Answer("The schedule is paused.", paused=examples.PAUSED),
    problems=(SCHEDULE_ENDED, NOT_ALLOWED),
    **_CHANGES,
)
async def pause(session: TenantSession, call: Call, organization_id: UUID, schedule_id: UUID) -> ScheduleView:
    """Pause a schedule.

    No jobs are created until it is resumed; times that pass in the meantime are not made up.
    """
    await require_for_schedule(call.principal, session, organization_id, schedule_id)
    return await pause_schedule(session, schedule_id, organization_id=organization_id)


@schedules.route(
    "POST /v1/schedules/{schedule_id}/resume",
    "resumeSchedule",
    Answer("The schedule is active again.", resumed=examples.RESUMED),
    problems=(SCHEDULE_ENDED, NOT_ALLOWED),
    **_CHANGES,
)
async def resume(session: TenantSession, call: Call, organization_id: UUID, schedule_id: UUID) -> ScheduleView:
    """Resume a schedule.

    Continues with the first time from now on.
    """
    await require_for_schedule(call.principal, session, organization_id, schedule_id)
    return await resume_schedule(session, schedule_id, organization_id=organization_id)


@schedules.route(
    "POST /v1/schedules/{schedule_id}/run",
    "runSchedule",
    Answer("Requested.", status=202, asked=examples.ASKED),
    problems=(NOT_ALLOWED,),
    **_CHANGES,
)
async def run(session: TenantSession, call: Call, organization_id: UUID, schedule_id: UUID) -> ScheduleView:
    """Run a schedule now.

    A worker creates its job within a second, independent of its scheduled times and unfinished jobs, even if the
    schedule is paused or has ended. The job appears in the schedule's run history as `asked`.
    """
    await require_for_schedule(call.principal, session, organization_id, schedule_id)
    return await run_schedule_now(session, schedule_id, organization_id=organization_id)


@schedules.route("GET /v1/schedules/{schedule_id}/fires", "listScheduleFires", page_with(examples.FIRE))
async def fires(
    session: TenantSession, organization_id: UUID, schedule_id: UUID, query: schemas.FireQuery
) -> schemas.FirePage:
    """List a schedule's run history.

    Most recent first, kept for a month: each entry has the job, or the reason why there was none.
    """
    return schemas.FirePage.of(
        await list_fires(session, schedule_id, organization_id=organization_id, limit=query.limit, cursor=query.cursor)
    )


def _source(services: Services, call: Call, organization_id: UUID, job: schemas.ScheduledJob) -> Source:
    """What is kept of the request; raises what `POST /v1/jobs` does, by the field's name here."""
    principal, job_type = call.principal, schemas.TYPES[type(job)]
    for scope in (*MAKES, *([job_type.scope] if job_type.scope else [])):
        principal.require(scope)
    try:
        return services.schedule_requests.source(
            job_type,
            job.payload,  # type: ignore[attr-defined] # each type's own struct adds it
            organization_id=organization_id,
            created_by=principal.key_id,
            by_platform=principal.organization_id is None,
            priority=PRIORITIES[job.priority],
            attempts=job.attempts,
            timeout=job.timeout,
            reference=job.reference,
            labels=each_once(job.labels, "job.labels"),
        )
    except (IntakeError, ReservedError) as error:
        problem = problem_of(error)
        assert problem is not None  # noqa: S101 - for mypy: both have a translation
        problem.errors = tuple(msgspec.structs.replace(one, field=f"job.{one.field}") for one in problem.errors)
        raise problem from None
