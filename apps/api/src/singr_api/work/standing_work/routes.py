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


@standing_work.route("GET /v1/standing-work", "listStandingWork", Answer("All of it.", all=examples.ALL))
async def index(session: PlatformSession) -> schemas.StandingWorkList:
    """List standing work.

    What worker processes do beside jobs for as long as they run, as they told of it: each does every ten seconds.
    What must never be paused (leases, sweeping, dispatch, partitions) is not among it.
    """
    return schemas.StandingWorkList(await list_standing_work(session))


@standing_work.route(
    "POST /v1/standing-work/{name}/pause",
    "pauseStandingWork",
    Answer("It rests.", paused=examples.PAUSED),
    body_examples={"reason": examples.PAUSE},
    **_CHANGES,
)
async def pause(
    session: PlatformSession, call: Call, name: str, body: schemas.PauseStandingWork | None = None
) -> StandingWorkView:
    """Pause standing work.

    Processes hear of it within ten seconds; a turn that is under way ends. One that is paused keeps who paused it.
    """
    reason = body.reason if body else None
    return await pause_standing_work(session, name, reason=reason, by=call.principal.key_id)


@standing_work.route(
    "POST /v1/standing-work/{name}/resume",
    "resumeStandingWork",
    Answer("It is done again.", resumed=examples.RESUMED),
    **_CHANGES,
)
async def resume(session: PlatformSession, name: str) -> StandingWorkView:
    """Resume standing work.

    Its turns come as they did before.
    """
    return await resume_standing_work(session, name)


@standing_work.route(
    "POST /v1/standing-work/{name}/run",
    "runStandingWork",
    Answer("It is asked for.", asked=examples.ASKED),
    **_CHANGES,
)
async def run(session: PlatformSession, name: str) -> StandingWorkView:
    """Run standing work at once.

    Processes hear of it within ten seconds, and more than one may have the turn; also what is paused has it once.
    `asked_at` is null again when a turn that began since has ended.
    """
    return await run_standing_work(session, name)
