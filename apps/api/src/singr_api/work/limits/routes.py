"""Limits by key: list, set."""

from typing import Final

from singr_api.admission.policy import Access
from singr_api.http.problems import LIMITS_UNKNOWN
from singr_api.routing.route import Answer, Section
from singr_api.work.limits import examples, schemas
from singr_db import PlatformSession
from singr_jobs import TypeLimits, list_limits, set_limits

limits: Final = Section(
    "Limits by key",
    access=Access.CALLER,
    scope="operations:read",
    platform="They hold the jobs of all organizations: no credential of one, and nobody acting for one, may see them.",
)


@limits.route("GET /v1/limits", "listLimits", Answer("The limits.", all=examples.ALL))
async def index(session: PlatformSession) -> schemas.LimitList:
    """List limits by key.

    For each job type with such limits: what the most recently started worker declared, and what was set instead.
    """
    return schemas.LimitList(tuple(await list_limits(session)))


@limits.route(
    "PATCH /v1/limits/{type}",
    "setLimits",
    Answer("The settings are changed.", one=examples.ONE),
    body_examples={"more": examples.MORE, "rate": examples.RATE, "declared": examples.DECLARED},
    path_schemas=schemas.TYPE_PATH,
    problems=(LIMITS_UNKNOWN,),
    scope="operations:write",
)
async def change(session: PlatformSession, type: str, body: schemas.ChangeLimits) -> TypeLimits:  # noqa: A002 - the path's own word
    """Set a job type's limits by key at run time.

    In force as soon as this has answered, and kept across deployments. Running jobs continue; no new job of a key
    starts until few enough are running, and jobs that a raised limit has room for start within a second.
    """
    return await set_limits(session, type, concurrency=body.concurrency, rate=body.as_rate, reason=body.reason)
