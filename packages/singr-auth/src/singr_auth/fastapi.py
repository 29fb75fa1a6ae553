"""People and programs of Singr in a FastAPI service.

`SingrAuth(RemoteAccess(...))` gives dependencies for routes and WebSockets: `person`, `api_key`, `require("scope")`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

from singr_auth._principal import Principal
from singr_auth._remote._route_organization import FromPath, UnclearOrganizationError
from singr_auth._tokens._access_tokens import AccessToken
from singr_config.extras import extra

with extra("singr-auth", "fastapi"):
    from fastapi import HTTPException, Security, WebSocketException
    from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
    from fastapi.openapi.models import SecurityBase as SchemeModel
    from fastapi.requests import HTTPConnection
    from fastapi.security.base import SecurityBase

    from singr_auth._remote._access import (
        ORGANIZATION_HEADER,
        RefusedError,
        RemoteAccess,
        close_code,
        close_reason,
    )

__all__ = ["SingrAuth"]


class _Shown(SecurityBase):
    """Says in the service's own OpenAPI document what is taken; FastAPI's own schemes fit no WebSocket."""

    def __init__(self, name: str, model: SchemeModel) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None:
        """Judge nothing: the dependency that shows this does."""


_Token = Annotated[Any, Security(_Shown("SingrAccessToken", HTTPBearer()))]
_Key = Annotated[Any, Security(_Shown("SingrApiKey", APIKey(**{"in": APIKeyIn.header}, name="x-api-key")))]


class SingrAuth:
    """What FastAPI's handlers depend on to know their callers.

    A WebSocket of a caller who is refused is closed with 1008, and with 1013 while Singr cannot be asked.

    Args:
        access: knows them; `FastAPI(lifespan=singr.lifespan)` closes it.
    """

    def __init__(self, access: RemoteAccess) -> None:
        self._access = access

    @asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        """Close what is open when the app stops."""
        try:
            yield
        finally:
            await self._access.aclose()

    async def person(self, connection: HTTPConnection, _token: _Token = None) -> AccessToken:
        """`Depends(singr.person)`: who is signed in; 401 where nobody is."""
        with _answered(connection):
            return await self._access.person(connection.headers.get("authorization"))

    async def api_key(self, connection: HTTPConnection, _key: _Key = None) -> Principal:
        """`Depends(singr.api_key)`: whose API key it is, with what it may do; 401 where it opens nothing."""
        with _answered(connection):
            return await self._access.api_key(connection.headers.get("x-api-key"))

    def require(self, scope: str, *, organization: str | None = "") -> Callable[..., Awaitable[Principal]]:
        """`Depends(singr.require("requests:process"))`: a person or program that holds this permission; else 403.

        The organization is the path's parameter `organization_id`, else the header `x-singr-organization`; an API key
        of one organization need not name it. A path parameter of another name that looks like an organization (`org` or
        `tenant` in it) is not passed over: every request is answered 500, until `organization` is given.

        Args:
            scope: the permission that it takes.
            organization: the path's parameter that names the organization, such as `org_id`; None: the header names it,
                whatever the path says.
        """
        place = FromPath(organization)

        async def caller(connection: HTTPConnection, _token: _Token = None, _key: _Key = None) -> Principal:
            with _answered(connection):
                return await self._access.caller(
                    authorization=connection.headers.get("authorization"),
                    api_key=connection.headers.get("x-api-key"),
                    organization=place.find(connection.path_params, connection.headers.get(ORGANIZATION_HEADER)),
                    scope=scope,
                )

        return caller


@contextmanager
def _answered(connection: HTTPConnection) -> Iterator[None]:
    try:
        yield
    except UnclearOrganizationError as unclear:
        refused = RefusedError(500, str(unclear))
    except RefusedError as error:
        refused = error
    else:
        return
    if connection.scope["type"] == "websocket":
        raise WebSocketException(close_code(refused), close_reason(refused))
    raise HTTPException(refused.status, refused.detail, refused.headers)
