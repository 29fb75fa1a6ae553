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


@queues.route("GET /v1/queues", "listQueues", Answer("The queues.", all=examples.ALL))
async def index(session: PlatformSession) -> schemas.QueueList:
    """List queues.

    Built-in queues, and those that any worker has ever served.
    """
    return schemas.QueueList(await list_queues(session))


@queues.route("GET /v1/queues/{queue}", "readQueue", Answer("The queue.", one=examples.STANDING), **_ONE)
async def read(session: PlatformSession, queue: str) -> QueueStanding:
    """Read a queue.

    Its contents and settings; a setting that is null follows the environment of its workers. Up to 1,000 jobs are
    counted on request; for more, `counted_at` is when the workers last counted.
    """
    return await read_queue(session, queue)


@queues.route(
    "GET /v1/queues/{queue}/history", "readQueueHistory", Answer("The history.", one=examples.HISTORY), **_ONE
)
async def history(session: PlatformSession, queue: str, query: schemas.HistoryQuery) -> QueueHistory:
    """Read a queue's history.

    How many attempts started and how they ended, and how long jobs waited and ran (50th and 95th percentile), per
    minute and job type. Workers record their activity within ten seconds, and keep three hours of it.
    """
    return await read_queue_history(session, queue, minutes=query.minutes, job_type=query.type)


@queues.route(
    "GET /v1/queues/{queue}/health",
    "readQueueHealth",
    Answer("The queue's health.", one=examples.HEALTH),
    before=_try_a_commit,
    **_ONE,
)
async def health(session: PlatformSession, queue: str, query: schemas.HealthQuery) -> QueueHealth:
    """Check a queue's health.

    A queue is healthy if it has workers that know its job types, is not paused, and its oldest due job has not waited
    too long; otherwise the reasons are given in words. An empty queue that was never served is healthy. If PostgreSQL
    accepts no writes, cannot commit, or somebody has locked a table, that is reported within a second or two, and no
    queue is healthy.
    """
    return await queue_health(session, queue, oldest_within=query.oldest_within)


@queues.route(
    "GET /v1/queue-health",
    "readQueuesHealth",
    Answer("The health of all queues.", all=examples.HEALTHS),
    before=_try_a_commit,
)
async def all_health(session: PlatformSession, query: schemas.HealthQuery) -> QueuesHealth:
    """Check the health of all queues.

    Overall and for each queue, with reasons in words.
    """
    return await queues_health(session, oldest_within=query.oldest_within)


@queues.route("GET /v1/workers", "listWorkers", Answer("The workers.", all=examples.WORKERS))
async def workers(session: PlatformSession) -> schemas.WorkerList:
    """List worker processes.

    As each last reported about itself, every two seconds. A worker that stops is removed from the list; one that was
    killed is `silent` after 7 seconds, and removed after a day.
    """
    return schemas.WorkerList(await list_workers(session))


@queues.route(
    "PATCH /v1/queues/{queue}",
    "setQueue",
    Answer("The settings are changed.", one=examples.ONE),
    body_examples={"limits": examples.LIMITS, "weight": examples.WEIGHT, "no_limit": examples.NO_LIMIT},
    **_CHANGES,
)
async def change(session: PlatformSession, queue: str, body: schemas.ChangeQueue) -> QueueSettings:
    """Set a queue's limits at run time.

    As soon as this has answered, no more jobs are started than the limits allow; a rate is accurate to within a second.
    Lowering a limit below the number of running jobs stops none of them, and takes effect as they end. There is no rate
    limit unless one is set here or in the environment.
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
    Answer("The queue is paused.", paused=examples.PAUSED),
    body_examples={"reason": examples.PAUSE},
    idempotent=True,
    **_CHANGES,
)
async def pause(
    session: PlatformSession, call: Call, queue: str, body: schemas.PauseQueue | None = None
) -> QueueSettings:
    """Pause a queue.

    As soon as this has answered, no jobs are taken from the queue until it is resumed; jobs that workers have already
    taken run to their end, and new jobs are still accepted. If the queue is already paused, the original author and
    reason are kept.
    """
    body = body or schemas.PauseQueue()
    return await pause_queue(
        session, queue, organization_id=body.organization_id, reason=body.reason, by=call.principal.key_id
    )


@queues.route(
    "POST /v1/queues/{queue}/resume",
    "resumeQueue",
    Answer("The queue is served again.", resumed=examples.RESUMED),
    body_examples={"organization": examples.RESUME},
    idempotent=True,
    **_CHANGES,
)
async def resume(session: PlatformSession, queue: str, body: schemas.ResumeQueue | None = None) -> QueueSettings:
    """Resume a queue.

    Workers take jobs from it within a second. A queue, and a single organization in it, are paused and resumed
    separately.
    """
    return await resume_queue(session, queue, organization_id=body.organization_id if body else None)
