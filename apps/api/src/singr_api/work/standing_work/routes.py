"""Standing work: list, pause, resume, run at once."""

from typing import Any, Final

from singr_api.admission.call import Call
from singr_api.admission.policy import Access
from singr_api.http.problems import NOT_FOUND
from singr_api.routing.route import Answer, Section
from singr_api.work.standing_work import examples, schemas
from singr_db import PlatformSession
from singr_db.standing_work import (
    StandingWorkView,
    list_standing_work,
    pause_standing_work,
    resume_standing_work,
    run_standing_work,
)

standing_work = Section(
    "Standing work",
    access=Access.CALLER,
    scope="operations:read",
    platform="Standing work is for all organizations: no credential of one, and nobody acting for one, may see it.",
)
_CHANGES: Final[dict[str, Any]] = {
    "path_schemas": schemas.NAME_PATH,
    "problems": (NOT_FOUND,),
    "scope": "operations:write",
    "idempotent": True,
}


@standing_work.route("GET /v1/standing-work", "listStandingWork", Answer("All standing tasks.", all=examples.ALL))
async def index(session: PlatformSession) -> schemas.StandingWorkList:
    """List standing tasks.

    Periodic tasks that worker processes run besides jobs, as each reports every ten seconds. Tasks that must never
    be paused (leases, sweeping, dispatch, partitions) are not listed.
    """
    return schemas.StandingWorkList(await list_standing_work(session))


@standing_work.route(
    "POST /v1/standing-work/{name}/pause",
    "pauseStandingWork",
    Answer("The task is paused.", paused=examples.PAUSED),
    body_examples={"reason": examples.PAUSE},
    **_CHANGES,
)
async def pause(
    session: PlatformSession, call: Call, name: str, body: schemas.PauseStandingWork | None = None
) -> StandingWorkView:
    """Pause a standing task.

    Processes learn of this within ten seconds; a run in progress finishes. If the task is already paused, the original
    author and reason are kept.
    """
    reason = body.reason if body else None
    return await pause_standing_work(session, name, reason=reason, by=call.principal.key_id)


@standing_work.route(
    "POST /v1/standing-work/{name}/resume",
    "resumeStandingWork",
    Answer("The task runs again.", resumed=examples.RESUMED),
    **_CHANGES,
)
async def resume(session: PlatformSession, name: str) -> StandingWorkView:
    """Resume a standing task.

    Its runs continue as before.
    """
    return await resume_standing_work(session, name)


@standing_work.route(
    "POST /v1/standing-work/{name}/run",
    "runStandingWork",
    Answer("The run was requested.", asked=examples.ASKED),
    **_CHANGES,
)
async def run(session: PlatformSession, name: str) -> StandingWorkView:
    """Run a standing task now.

    Processes learn of this within ten seconds, and more than one of them may run the task; a paused task runs once,
    too. `asked_at` is null again once a run that started afterwards has ended.
    """
    return await run_standing_work(session, name)
