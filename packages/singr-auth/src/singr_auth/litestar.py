"""People and programs of Singr in a Litestar service.

`SingrAuth(RemoteAccess(...))` is a plugin that gives guards, and dependencies that hand callers to handlers.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from singr_auth._principal import Principal
from singr_auth._remote._litestar_routes import (
    KEY,
    TOKEN,
    CallerGuard,
    CallerProvide,
    Connection,
    check_app,
    check_route,
    with_schemes,
)
from singr_auth._remote._route_organization import FromPath, UnclearOrganizationError
from singr_auth._tokens._access_tokens import AccessToken
from singr_config.extras import extra

with extra("singr-auth", "litestar"):
    from litestar import Litestar
    from litestar.config.app import AppConfig
    from litestar.connection import ASGIConnection
    from litestar.di import Provide
    from litestar.enums import ScopeType
    from litestar.exceptions import HTTPException, WebSocketException
    from litestar.plugins import InitPlugin, ReceiveRoutePlugin
    from litestar.routes import BaseRoute
    from litestar.types import Scope

    from singr_auth._remote._access import (
        ORGANIZATION_HEADER,
        RefusedError,
        RemoteAccess,
        close_code,
        close_reason,
    )

__all__ = ["SingrAuth"]


class SingrAuth(InitPlugin, ReceiveRoutePlugin):
    """What lets callers in to Litestar's handlers, and tells handlers who they are.

    `Litestar(plugins=[singr])`. **Guards let in**: `guards=[singr.guard("requests:process")]` on a handler, controller,
    router or app. A dependency tells who came: `dependencies={"caller": singr.require("requests:process")}` and a
    parameter `caller`. Litestar asks no dependency that the handler does not name, so one that no parameter takes would
    let everybody in: the app then refuses to be built.

    A WebSocket of a caller who is refused is closed with 1008, and with 1013 while Singr cannot be asked.

    Args:
        access: knows them; the app closes it when it stops.
    """

    def __init__(self, access: RemoteAccess) -> None:
        self._access = access

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Close `access` when the app stops, and show in its OpenAPI document what is taken."""
        app_config.lifespan.append(self.lifespan)
        app_config.openapi_config = with_schemes(app_config.openapi_config)
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        """Refuse a route that declares a caller and does not take it.

        Raises:
            ImproperlyConfiguredException: names the handler and what to write.
        """
        check_route(route)

    @asynccontextmanager
    async def lifespan(self, app: Litestar) -> AsyncIterator[None]:
        """Close what is open when the app stops; `plugins=[singr]` brings it."""
        check_app(app)
        try:
            yield
        finally:
            await self._access.aclose()

    @property
    def person_guard(self) -> CallerGuard:
        """`guards=[singr.person_guard]`: lets in whoever is signed in; else 401."""
        return CallerGuard(self._person, (TOKEN,))

    @property
    def api_key_guard(self) -> CallerGuard:
        """`guards=[singr.api_key_guard]`: lets in whoever sends an API key in force; else 401."""
        return CallerGuard(self._api_key, (KEY,))

    def guard(self, scope: str, *, organization: str | None = "") -> CallerGuard:
        """`guards=[singr.guard("requests:process")]`: lets in whoever holds this permission; else 403.

        Args:
            scope: the permission that it takes.
            organization: as `require`.
        """
        place = FromPath(organization)

        async def ask(connection: Connection) -> Principal:
            return await self._caller(connection, scope, place)

        return CallerGuard(ask, (TOKEN, KEY), place)

    @property
    def person(self) -> Provide:
        """Provides an `AccessToken`: who is signed in; 401 where nobody is."""

        async def person(scope: Scope) -> AccessToken:
            return await self._person(ASGIConnection(scope))

        return CallerProvide(person, (TOKEN,))

    @property
    def api_key(self) -> Provide:
        """Provides a `Principal`: whose API key it is, with what it may do; 401 where it opens nothing."""

        async def api_key(scope: Scope) -> Principal:
            return await self._api_key(ASGIConnection(scope))

        return CallerProvide(api_key, (KEY,))

    def require(self, scope: str, *, organization: str | None = "") -> Provide:
        """Provide a `Principal`: a person or program that holds this permission; else 403.

        **It guards only handlers with a parameter of its name**; `guard` guards all. The organization is the path's
        parameter `organization_id`, else the header `x-singr-organization`; an API key of one organization need not
        name it. A path parameter of another name that looks like an organization (`org` or `tenant` in it) is not
        passed over: the app refuses to be built until `organization` is given.

        Args:
            scope: the permission that it takes.
            organization: the path's parameter that names the organization, such as `org_id`; None: the header names it,
                whatever the path says.
        """
        wanted, place = scope, FromPath(organization)

        async def caller(scope: Scope) -> Principal:
            return await self._caller(ASGIConnection(scope), wanted, place)

        return CallerProvide(caller, (TOKEN, KEY), place)

    async def _person(self, connection: Connection) -> AccessToken:
        with _answered(connection):
            return await self._access.person(connection.headers.get("authorization"))

    async def _api_key(self, connection: Connection) -> Principal:
        with _answered(connection):
            return await self._access.api_key(connection.headers.get("x-api-key"))

    async def _caller(self, connection: Connection, scope: str, place: FromPath) -> Principal:
        with _answered(connection):
            return await self._access.caller(
                authorization=connection.headers.get("authorization"),
                api_key=connection.headers.get("x-api-key"),
                organization=place.find(connection.path_params, connection.headers.get(ORGANIZATION_HEADER)),
                scope=scope,
            )


@contextmanager
def _answered(connection: Connection) -> Iterator[None]:
    try:
        yield
    except UnclearOrganizationError as unclear:
        refused = RefusedError(500, str(unclear))
    except RefusedError as error:
        refused = error
    else:
        return
    if connection.scope["type"] == ScopeType.WEBSOCKET:
        raise WebSocketException(detail=close_reason(refused), code=close_code(refused))
    raise HTTPException(detail=refused.detail, status_code=refused.status, headers=refused.headers)
