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


@limits.route("GET /v1/limits", "listLimits", Answer("All of them.", all=examples.ALL))
async def index(session: PlatformSession) -> schemas.LimitList:
    """List limits by key.

    Of each job type that has some: what the worker that started last declared, and what was set in its place.
    """
    return schemas.LimitList(tuple(await list_limits(session)))


@limits.route(
    "PATCH /v1/limits/{type}",
    "setLimits",
    Answer("It is set.", one=examples.ONE),
    body_examples={"more": examples.MORE, "rate": examples.RATE, "declared": examples.DECLARED},
    path_schemas=schemas.TYPE_PATH,
    problems=(LIMITS_UNKNOWN,),
    scope="operations:write",
)
async def change(session: PlatformSession, type: str, body: schemas.ChangeLimits) -> TypeLimits:  # noqa: A002 - the path's own word
    """Limit the keys of a job type while it runs.

    In force as soon as this is answered, whatever is deployed. What runs goes on; nothing new of a key starts until few
    enough do, and what a raised limit has room for starts within a second.
    """
    return await set_limits(session, type, concurrency=body.concurrency, rate=body.as_rate, reason=body.reason)
