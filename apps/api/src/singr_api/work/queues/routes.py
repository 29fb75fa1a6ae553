"""Queues: list, read, set, pause, resume; their health, and the workers that serve them."""

import asyncio
import contextlib
from typing import Any, Final

from singr_api.admission.call import Call
from singr_api.admission.policy import Access
from singr_api.http.problems import QUEUE_UNKNOWN
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_api.work.queues import examples, schemas
from singr_db import PlatformSession
from singr_jobs.queues import (
    QueueHealth,
    QueueHistory,
    QueueSettings,
    QueuesHealth,
    QueueStanding,
    list_queues,
    list_workers,
    pause_queue,
    queue_health,
    queues_health,
    read_queue,
    read_queue_history,
    resume_queue,
    set_queue,
)

queues = Section(
    "Queues",
    access=Access.CALLER,
    scope="operations:read",
    platform="A queue holds jobs of all organizations: no credential of one, and nobody acting for one, may see it.",
)
_ONE: Final[dict[str, Any]] = {"path_schemas": schemas.QUEUE_PATH, "problems": (QUEUE_UNKNOWN,)}
_CHANGES: Final[dict[str, Any]] = {**_ONE, "scope": "operations:write"}
_COMMIT_WITHIN_S: Final = 0.5


async def _try_a_commit(services: Services) -> None:
    """Where commits do not end, ours does not either, and is seen by whoever looks then."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_COMMIT_WITHIN_S):
            await services.db.takes_writes()


@queues.route("GET /v1/queues", "listQueues", Answer("All of them.", all=examples.ALL))
async def index(session: PlatformSession) -> schemas.QueueList:
    """List queues.

    Those of the house, and those that any worker has ever served.
    """
    return schemas.QueueList(await list_queues(session))


@queues.route("GET /v1/queues/{queue}", "readQueue", Answer("It.", one=examples.STANDING), **_ONE)
async def read(session: PlatformSession, queue: str) -> QueueStanding:
    """Read a queue.

    What is in it, and what is set for it; null is what the environment of its workers says. Up to 1,000 jobs are
    counted now; of more, `counted_at` is when the workers counted last.
    """
    return await read_queue(session, queue)


@queues.route("GET /v1/queues/{queue}/history", "readQueueHistory", Answer("It is told.", one=examples.HISTORY), **_ONE)
async def history(session: PlatformSession, queue: str, query: schemas.HistoryQuery) -> QueueHistory:
    """What was done in a queue?

    How many attempts began and how they ended, how long jobs waited and ran, minute by minute and by type: 50 and 95 of
    100 no longer than that. Workers write down what they did within ten seconds, and keep three hours of it.
    """
    return await read_queue_history(session, queue, minutes=query.minutes, job_type=query.type)


@queues.route(
    "GET /v1/queues/{queue}/health",
    "readQueueHealth",
    Answer("It is told.", one=examples.HEALTH),
    before=_try_a_commit,
    **_ONE,
)
async def health(session: PlatformSession, queue: str, query: schemas.HealthQuery) -> QueueHealth:
    """Is a queue well?

    It has workers that know its jobs' types, is not paused, and its oldest due job does not wait for too long; else in
    words why not. A queue that is empty and was never served is well. Where PostgreSQL takes no writes, does not end
    commits, or somebody has locked a table, that is told within a second or two, and no queue is well.
    """
    return await queue_health(session, queue, oldest_within=query.oldest_within)


@queues.route(
    "GET /v1/queue-health", "readQueuesHealth", Answer("It is told.", all=examples.HEALTHS), before=_try_a_commit
)
async def all_health(session: PlatformSession, query: schemas.HealthQuery) -> QueuesHealth:
    """Are all queues well?

    And each of them, in words.
    """
    return await queues_health(session, oldest_within=query.oldest_within)


@queues.route("GET /v1/workers", "listWorkers", Answer("All of them.", all=examples.WORKERS))
async def workers(session: PlatformSession) -> schemas.WorkerList:
    """List worker processes.

    As each said of itself every two seconds. One that stops is gone from here; one that was killed is `silent` after 7
    seconds, and forgotten after a day.
    """
    return schemas.WorkerList(await list_workers(session))


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
