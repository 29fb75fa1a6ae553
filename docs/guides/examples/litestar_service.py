"""A Litestar service that lets people of Singr in, each with the permissions of their role in an organization.

pip install 'singr-auth[httpx]' litestar uvicorn; then: uvicorn --factory litestar_service:from_environment
"""

import os
import time
from typing import Any
from uuid import UUID

import httpx
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotAuthorizedException, ServiceUnavailableException
from litestar.params import FromPath

from singr_auth import (
    AccessToken,
    AccessTokenError,
    KeysUnavailableError,
    Principal,
    RemoteAccessTokenVerifier,
    RemoteKeys,
    ScopeError,
)

AnyRequest = Request[Any, Any, Any]
REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 10_000


class Permissions:
    """What a person may do in an organization: asked of Singr with the person's own token, remembered for a minute."""

    def __init__(self, singr: httpx.AsyncClient) -> None:
        self._singr = singr
        self._known: dict[UUID, tuple[float, dict[str, frozenset[str]]]] = {}

    async def of(self, person: AccessToken, token: str, organization_id: UUID) -> frozenset[str]:
        """Return the permissions of the person's role there; none where they are no member."""
        until, found = self._known.get(person.session_id, (0.0, {}))
        if until <= time.monotonic():
            found = await self._ask(token)
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[person.session_id] = (time.monotonic() + REMEMBERED_SECONDS, found)
        return found.get(str(organization_id), frozenset())

    async def _ask(self, token: str) -> dict[str, frozenset[str]]:
        try:
            answer = await self._singr.get("/v1/organizations", headers={"authorization": f"Bearer {token}"})
        except httpx.HTTPError:
            raise ServiceUnavailableException("Permissions cannot be read right now.") from None
        if answer.status_code == httpx.codes.UNAUTHORIZED:  # signed out, or disabled, since the token was issued
            raise NotAuthorizedException("The session has ended.")
        if answer.status_code != httpx.codes.OK:
            raise ServiceUnavailableException("Permissions cannot be read right now.")
        return {each["id"]: frozenset(each["permissions"]) for each in answer.json()["items"]}


async def person(request: AnyRequest, state: State) -> AccessToken:
    """Give handlers the person who is calling."""
    try:
        found: AccessToken = await state.verifier.verify(_bearer(request))
    except AccessTokenError as error:
        raise NotAuthorizedException(error.message, headers={"www-authenticate": "Bearer"}) from None
    except KeysUnavailableError:
        raise ServiceUnavailableException("Tokens cannot be checked right now.") from None
    return found


async def caller(
    request: AnyRequest, state: State, person: NamedDependency[AccessToken], organization_id: FromPath[UUID]
) -> Principal:
    """Give handlers the person with what they may do in the organization that the path names."""
    scopes = await state.permissions.of(person, _bearer(request), organization_id)
    return Principal(f"user:{person.user_id}", organization_id, scopes, method="access_token", user_id=person.user_id)


@get("/me")
async def me(person: NamedDependency[AccessToken]) -> dict[str, Any]:
    """Anybody who is signed in."""
    return {"user_id": str(person.user_id), "methods": list(person.methods)}


@post("/organizations/{organization_id:uuid}/playlists")
async def make_playlist(caller: NamedDependency[Principal]) -> dict[str, str]:
    """Whoever may process requests in this organization."""
    caller.require("requests:process")
    return {"by": caller.key_id}


def _bearer(request: AnyRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthorizedException("Send an access token.", headers={"www-authenticate": "Bearer"})
    return token.strip()


def _lacks_permission(_: AnyRequest, error: ScopeError) -> Response[dict[str, str]]:
    return Response({"detail": str(error)}, status_code=403)


def build(singr: httpx.AsyncClient, keys: RemoteKeys, *, issuer: str, audience: str) -> Litestar:
    """Build the service.

    Args:
        singr: a client of Singr's API.
        keys: where it publishes its keys.
        issuer: `JWT_ISSUER` of that API.
        audience: `JWT_AUDIENCE` of that API.
    """
    verifier = RemoteAccessTokenVerifier(keys, issuer=issuer, audience=audience)
    return Litestar(
        route_handlers=[me, make_playlist],
        dependencies={"person": Provide(person), "caller": Provide(caller)},
        exception_handlers={ScopeError: _lacks_permission},
        state=State({"verifier": verifier, "permissions": Permissions(singr)}),
        openapi_config=None,
    )


def from_environment() -> Litestar:
    """Build the service for the API at SINGR_URL."""
    address = os.environ["SINGR_URL"]
    return build(
        httpx.AsyncClient(base_url=address),
        RemoteKeys(f"{address}/.well-known/jwks.json"),
        issuer=os.environ["SINGR_ISSUER"],
        audience=os.environ["SINGR_AUDIENCE"],
    )
