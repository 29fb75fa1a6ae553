"""People and programs of Singr in a Litestar service.

`SingrAuth(RemoteAccess(...))` gives dependencies: `person`, `api_key` and `require("scope")`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from singr_auth._access_tokens import AccessToken
from singr_auth._principal import Principal
from singr_config.extras import extra

with extra("singr-auth", "litestar"):
    from litestar import Litestar, Request
    from litestar.di import Provide
    from litestar.exceptions import HTTPException

    from singr_auth._remote_access import ORGANIZATION_HEADER, RefusedError, RemoteAccess

__all__ = ["SingrAuth"]


class SingrAuth:
    """What Litestar's handlers depend on to know their callers.

    `Litestar(dependencies={"person": singr.person}, lifespan=[singr.lifespan])`; on a handler
    `dependencies={"caller": singr.require("requests:process")}`.

    Args:
        access: knows them; the lifespan closes it.
    """

    def __init__(self, access: RemoteAccess) -> None:
        self._access = access

    @asynccontextmanager
    async def lifespan(self, _: Litestar) -> AsyncIterator[None]:
        """Close what is open when the app stops."""
        try:
            yield
        finally:
            await self._access.aclose()

    @property
    def person(self) -> Provide:
        """Provides an `AccessToken`: who is signed in; 401 where nobody is."""

        async def person(request: Request[Any, Any, Any]) -> AccessToken:
            with _answered():
                return await self._access.person(request.headers.get("authorization"))

        return Provide(person)

    @property
    def api_key(self) -> Provide:
        """Provides a `Principal`: whose API key it is, with what it may do; 401 where it opens nothing."""

        async def api_key(request: Request[Any, Any, Any]) -> Principal:
            with _answered():
                return await self._access.api_key(request.headers.get("x-api-key"))

        return Provide(api_key)

    def require(self, scope: str, *, organization: str = "organization_id") -> Provide:
        """Provide a `Principal`: a person or program that holds this permission; else 403.

        The organization is the path's parameter `organization`, else the header `x-singr-organization`; an API key of
        one organization need not name it.
        """

        async def caller(request: Request[Any, Any, Any]) -> Principal:
            in_path = request.path_params.get(organization)
            with _answered():
                return await self._access.caller(
                    authorization=request.headers.get("authorization"),
                    api_key=request.headers.get("x-api-key"),
                    organization=str(in_path) if in_path else request.headers.get(ORGANIZATION_HEADER),
                    scope=scope,
                )

        return Provide(caller)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except RefusedError as refused:
        raise HTTPException(refused.detail, status_code=refused.status, headers=refused.headers) from None
