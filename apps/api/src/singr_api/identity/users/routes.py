"""Other people's accounts, for operators of the platform."""

from typing import Any, Final
from uuid import UUID

from msgspec.structs import asdict

from singr_api.admission.call import Call
from singr_api.admission.policy import Access
from singr_api.http.fields import PageQuery
from singr_api.http.problems import CONFLICT, NOT_ALLOWED
from singr_api.identity.shared import SecurityEventPage, SessionList
from singr_api.identity.users.examples import DISABLED, EVENT, OTHERS_SESSION, USER
from singr_api.identity.users.schemas import SessionsEnded, UserPage, UserQuery
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section, page_with
from singr_api.wiring.services import Services
from singr_auth.accounts import ClientInfo, UserSummary
from singr_db import PlatformSession

users = Section(
    "Users",
    access=Access.CALLER,
    scope="users:read",
    platform="Accounts belong to the platform: a credential of one organization, or a person acting for one, may not"
    " see them. An organization's people are its members.",
)
_WRITE: Final[dict[str, Any]] = {"scope": "users:write", "idempotent": True}


@users.route("GET /v1/users", "listUsers", page_with(USER))
async def index(session: PlatformSession, services: Services, query: UserQuery) -> UserPage:
    """List accounts.

    Newest first.
    """
    return UserPage.of(await services.accounts.administration.users(session, **asdict(query)))


@users.route("GET /v1/users/{user_id}", "readUser", Answer("The account.", user=Example("In use", USER)))
async def read(session: PlatformSession, services: Services, user_id: UUID) -> UserSummary:
    """Read an account."""
    return await services.accounts.administration.user(session, user_id)


@users.route("GET /v1/users/{user_id}/security-events", "listUserSecurityEvents", page_with(EVENT))
async def events(session: PlatformSession, services: Services, user_id: UUID, query: PageQuery) -> SecurityEventPage:
    """List an account's security events.

    What its owner sees, plus who did what, and from where. Newest first.
    """
    return SecurityEventPage.of(await services.accounts.administration.events(session, user_id, **asdict(query)))


@users.route(
    "GET /v1/users/{user_id}/sessions",
    "listUserSessions",
    Answer("The sessions.", one=Example("One", {"items": [OTHERS_SESSION]})),
)
async def sessions(session: PlatformSession, services: Services, user_id: UUID) -> SessionList:
    """List an account's sessions.

    Active sessions, most recently used first; at most 200.
    """
    await services.accounts.administration.user(session, user_id)
    return SessionList(await services.accounts.sessions.list_within(session, user_id))


@users.route(
    "POST /v1/users/{user_id}/disable",
    "disableUser",
    Answer("Disabled.", user=Example("Disabled", DISABLED)),
    problems=(NOT_ALLOWED, CONFLICT),
    **_WRITE,
)
async def disable(
    session: PlatformSession, services: Services, call: Call, client: ClientInfo, user_id: UUID
) -> UserSummary:
    """Disable an account.

    Its sessions end at once, everywhere within a second, and it can no longer sign in. Its owner is told. You cannot
    disable your own account.
    """
    return await services.accounts.administration.disable(session, user_id, actor=call.principal.key_id, client=client)


@users.route(
    "POST /v1/users/{user_id}/enable",
    "enableUser",
    Answer("Enabled.", user=Example("In use", USER)),
    problems=(NOT_ALLOWED, CONFLICT),
    **_WRITE,
)
async def enable(
    session: PlatformSession, services: Services, call: Call, client: ClientInfo, user_id: UUID
) -> UserSummary:
    """Enable an account.

    Its owner has to sign in again.
    """
    return await services.accounts.administration.enable(session, user_id, actor=call.principal.key_id, client=client)


@users.route(
    "POST /v1/users/{user_id}/revoke-sessions",
    "revokeUserSessions",
    Answer("Ended.", ended=Example("Two", {"ended": 2})),
    **_WRITE,
)
async def revoke_sessions(
    session: PlatformSession, services: Services, call: Call, client: ClientInfo, user_id: UUID
) -> SessionsEnded:
    """End an account's sessions.

    Ends all of them. Links sent earlier become invalid, every device is treated as new, and the owner is told.
    """
    administration = services.accounts.administration
    return SessionsEnded(
        await administration.revoke_sessions(session, user_id, actor=call.principal.key_id, client=client)
    )
