"""Routes of other people's accounts."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency

from singr_api.admission.browser import client_info
from singr_api.admission.call import Call, answer, answer_reply, call_of, path_id, query_of, refusal_reply
from singr_api.admission.idempotency import Reply
from singr_api.admission.idempotency import Request as IdempotentRequest
from singr_api.http.pages import link_next
from singr_api.http.problems import ORGANIZATION_FORBIDDEN, Problem
from singr_api.http.validation import encode
from singr_api.identity.me.schemas import EventQuery, SecurityEventPage
from singr_api.identity.sessions.schemas import SessionList
from singr_api.identity.users.schemas import SessionsEnded, UserPage, UserQuery
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo
from singr_db import PLATFORM_ORGANIZATION_ID, PlatformSession

AnyRequest = Request[Any, Any, Any]
Change = Callable[[PlatformSession, UUID, str, ClientInfo], Awaitable[Any]]


@get("/v1/users")
async def index(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List accounts, newest first."""
    _platform_call(request)
    query = query_of(request, UserQuery)
    async with services.db.platform() as session:
        page = await services.accounts.administration.users(
            session, limit=query.limit, cursor=query.cursor, status=query.status, email=query.email
        )
    return answer(UserPage(page.items, page.next_cursor), headers=link_next(request, page.next_cursor))


@get("/v1/users/{user_id:str}")
async def read(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Read an account."""
    _platform_call(request)
    user_id = path_id(request, "user_id")
    async with services.db.platform() as session:
        return answer(await services.accounts.administration.user(session, user_id))


@get("/v1/users/{user_id:str}/security-events")
async def events(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List what happened to an account, newest first."""
    _platform_call(request)
    user_id, query = path_id(request, "user_id"), query_of(request, EventQuery)
    async with services.db.platform() as session:
        page = await services.accounts.administration.events(session, user_id, limit=query.limit, cursor=query.cursor)
    return answer(SecurityEventPage(page.items, page.next_cursor), headers=link_next(request, page.next_cursor))


@get("/v1/users/{user_id:str}/sessions")
async def sessions(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """List an account's sessions."""
    _platform_call(request)
    user_id = path_id(request, "user_id")
    async with services.db.platform() as session:
        await services.accounts.administration.user(session, user_id)
    return answer(SessionList(await services.accounts.sessions.list(user_id)))


@post("/v1/users/{user_id:str}/disable", status_code=200)
async def disable(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Shut an account."""

    async def change(session: PlatformSession, user_id: UUID, actor: str, client: ClientInfo) -> Any:
        return await services.accounts.administration.disable(session, user_id, actor=actor, client=client)

    return await _change(request, services, change)


@post("/v1/users/{user_id:str}/enable", status_code=200)
async def enable(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """Open an account again."""

    async def change(session: PlatformSession, user_id: UUID, actor: str, client: ClientInfo) -> Any:
        return await services.accounts.administration.enable(session, user_id, actor=actor, client=client)

    return await _change(request, services, change)


@post("/v1/users/{user_id:str}/revoke-sessions", status_code=200)
async def revoke_sessions(request: AnyRequest, services: NamedDependency[Services]) -> Response[bytes]:
    """End an account's sessions."""

    async def change(session: PlatformSession, user_id: UUID, actor: str, client: ClientInfo) -> Any:
        ended = await services.accounts.administration.revoke_sessions(session, user_id, actor=actor, client=client)
        return SessionsEnded(ended)

    return await _change(request, services, change)


async def _change(request: AnyRequest, services: Services, change: Change) -> Response[bytes]:
    call = _platform_call(request)
    user_id, client, actor = path_id(request, "user_id"), client_info(request), call.principal.key_id

    async def work(session: PlatformSession) -> Reply:
        return Reply(200, encode(await change(session, user_id, actor, client)))

    bound = IdempotentRequest(
        PLATFORM_ORGANIZATION_ID, call.idempotency_key or "", call.method, call.target, call.body_hash, holder=actor
    )
    return answer_reply(request, await services.idempotency.run_platform(bound, work, refusal_reply(call)))


def _platform_call(request: AnyRequest) -> Call:
    """Return the call, of somebody who acts for no organization: users belong to none."""
    call = call_of(request)
    if call.principal.organization_id is not None:
        raise Problem(
            ORGANIZATION_FORBIDDEN,
            "Accounts belong to the platform: a credential of one organization, or a person acting for one, may not see"
            " them. An organization's people are its members.",
        )
    return call


router = Router("/", route_handlers=[index, read, events, sessions, disable, enable, revoke_sessions])
