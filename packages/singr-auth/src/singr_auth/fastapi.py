"""People and programs of Singr in a FastAPI service.

`SingrAuth(RemoteAccess(...))` gives dependencies: `person`, `api_key` and `require("scope")`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

from singr_auth._access_tokens import AccessToken
from singr_auth._principal import Principal
from singr_config.extras import extra

with extra("singr-auth", "fastapi"):
    from fastapi import HTTPException, Request, Security
    from fastapi.security import APIKeyHeader, HTTPBearer

    from singr_auth._remote_access import ORGANIZATION_HEADER, RefusedError, RemoteAccess

__all__ = ["SingrAuth"]

# These say in the service's own OpenAPI document what is taken.
_Token = Annotated[Any, Security(HTTPBearer(auto_error=False, scheme_name="SingrAccessToken"))]
_Key = Annotated[Any, Security(APIKeyHeader(name="x-api-key", auto_error=False, scheme_name="SingrApiKey"))]


class SingrAuth:
    """What FastAPI's handlers depend on to know their callers.

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

    async def person(self, request: Request, _token: _Token = None) -> AccessToken:
        """`Depends(singr.person)`: who is signed in; 401 where nobody is."""
        with _answered():
            return await self._access.person(request.headers.get("authorization"))

    async def api_key(self, request: Request, _key: _Key = None) -> Principal:
        """`Depends(singr.api_key)`: whose API key it is, with what it may do; 401 where it opens nothing."""
        with _answered():
            return await self._access.api_key(request.headers.get("x-api-key"))

    def require(self, scope: str, *, organization: str = "organization_id") -> Callable[..., Awaitable[Principal]]:
        """`Depends(singr.require("requests:process"))`: a person or program that holds this permission; else 403.

        The organization is the path's parameter `organization`, else the header `x-singr-organization`; an API key of
        one organization need not name it.
        """

        async def caller(request: Request, _token: _Token = None, _key: _Key = None) -> Principal:
            in_path = request.path_params.get(organization)
            with _answered():
                return await self._access.caller(
                    authorization=request.headers.get("authorization"),
                    api_key=request.headers.get("x-api-key"),
                    organization=str(in_path) if in_path else request.headers.get(ORGANIZATION_HEADER),
                    scope=scope,
                )

        return caller


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except RefusedError as refused:
        raise HTTPException(refused.status, refused.detail, refused.headers) from None
