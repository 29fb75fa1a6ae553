"""Queues: list, read, set, pause, resume."""

from typing import Any, Final

from singr_api.admission.call import Call
from singr_api.admission.policy import Access
from singr_api.http.problems import ORGANIZATION_FORBIDDEN, QUEUE_UNKNOWN
from singr_api.routing.route import Answer, Section
from singr_api.work.queues import examples, schemas
from singr_db import PlatformSession
from singr_jobs.queues import (
    QueueSettings,
    pause_queue,
    read_all_queue_settings,
    read_queue_settings,
    resume_queue,
    set_queue,
)

queues = Section(
    "Queues",
    access=Access.CALLER,
    scope="operations:read",
    platform="A queue holds jobs of all organizations: no credential of one, and nobody acting for one, may see it.",
    problems=(ORGANIZATION_FORBIDDEN,),
    note="For operators of the platform: no organization's credential, and nobody who acts for one, may do this.",
)
_ONE: Final[dict[str, Any]] = {"path_schemas": schemas.QUEUE_PATH, "problems": (QUEUE_UNKNOWN,)}
_CHANGES: Final[dict[str, Any]] = {**_ONE, "scope": "operations:write"}


@queues.route("GET /v1/queues", "listQueues", Answer("All of them.", all=examples.ALL))
async def index(session: PlatformSession) -> schemas.QueueList:
    """List queues.

    Those of the house, and those that any worker has ever served.
    """
    return schemas.QueueList(await read_all_queue_settings(session))


@queues.route("GET /v1/queues/{queue}", "readQueue", Answer("It.", one=examples.ONE), **_ONE)
async def read(session: PlatformSession, queue: str) -> QueueSettings:
    """Read a queue.

    What is set for it; null is what the environment of its workers says.
    """
    return await read_queue_settings(session, queue)


@queues.route(
    "PATCH /v1/queues/{queue}",
    "setQueue",
    Answer("It is set.", one=examples.ONE),
    body_examples={"limits": examples.LIMITS, "weight": examples.WEIGHT, "no_limit": examples.NO_LIMIT},
    **_CHANGES,
)
async def change(session: PlatformSession, queue: str, body: schemas.ChangeQueue) -> QueueSettings:
    """Limit a queue while it runs.

    As soon as this is answered, nothing more is taken than the limits allow; a rate is kept to within a second. What is
    lowered under what is in hand stops nothing, and takes effect as that ends. No rate is in force unless it is set
    here or in the environment.
    """
    return await set_queue(
        session,
        queue,
        organization_id=body.organization_id,
        concurrency=body.concurrency,
        concurrency_per_organization=body.concurrency_per_organization,
        rate=body.as_rate,
        weight=body.weight,
    )


@queues.route(
    "POST /v1/queues/{queue}/pause",
    "pauseQueue",
    Answer("It rests.", paused=examples.PAUSED),
    body_examples={"reason": examples.PAUSE},
    idempotent=True,
    **_CHANGES,
)
async def pause(
    session: PlatformSession, call: Call, queue: str, body: schemas.PauseQueue | None = None
) -> QueueSettings:
    """Pause a queue.

    As soon as this is answered, nothing is taken from it until it is resumed; what workers have in hand ends, and jobs
    are accepted as ever. One that is paused already keeps who paused it, and why.
    """
    body = body or schemas.PauseQueue()
    return await pause_queue(
        session, queue, organization_id=body.organization_id, reason=body.reason, by=call.principal.key_id
    )


@queues.route(
    "POST /v1/queues/{queue}/resume",
    "resumeQueue",
    Answer("It is served again.", resumed=examples.RESUMED),
    body_examples={"organization": examples.RESUME},
    idempotent=True,
    **_CHANGES,
)
async def resume(session: PlatformSession, queue: str, body: schemas.ResumeQueue | None = None) -> QueueSettings:
    """Resume a queue.

    Workers take from it within a second. A queue and organizations in it are paused and resumed apart.
    """
    return await resume_queue(session, queue, organization_id=body.organization_id if body else None)
