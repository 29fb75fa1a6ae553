"""What is looked at once, when a Litestar app is built: that no route only seems to be guarded."""

import copy
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from singr_auth._remote._route_organization import FromPath, UnclearOrganizationError
from singr_config.extras import extra

with extra("singr-auth", "litestar"):
    from litestar import Litestar
    from litestar.connection import ASGIConnection
    from litestar.di import Provide
    from litestar.exceptions import ImproperlyConfiguredException
    from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
    from litestar.openapi.config import OpenAPIConfig
    from litestar.openapi.spec import Components, SecurityScheme
    from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute, WebSocketRoute


Connection = ASGIConnection[Any, Any, Any, Any]
Ask = Callable[[Connection], Awaitable[Any]]
Shows = tuple[str, ...]
TOKEN: Final = "SingrAccessToken"  # noqa: S105 — the name of a scheme
KEY: Final = "SingrApiKey"

# The framework's own answers to OPTIONS, and its OpenAPI document: nobody writes dependencies for them.
_FRAMEWORKS_OWN: Final = ("litestar.routes", "litestar.openapi", "litestar._openapi")


class CallerProvide(Provide):
    """Provides a caller.

    Attributes:
        shows: what it takes, by the names of the OpenAPI document.
        place: where its organization is, if it takes a permission.
    """

    def __init__(self, dependency: Any, shows: Shows, place: FromPath | None = None) -> None:
        super().__init__(dependency)
        self.shows = shows
        self.place = place


class CallerGuard:
    """A guard that lets a caller in; `shows` and `place` as `CallerProvide`."""

    def __init__(self, ask: Ask, shows: Shows, place: FromPath | None = None) -> None:
        self._ask = ask
        self.shows = shows
        self.place = place

    async def __call__(self, connection: Connection, _: BaseRouteHandler) -> None:
        """Let the caller in, or raise what to answer."""
        await self._ask(connection)


def with_schemes(config: OpenAPIConfig | None) -> OpenAPIConfig | None:
    """Return the app's OpenAPI settings with what is taken: access tokens and API keys."""
    if config is None:
        return None
    schemes: dict[str, Any] = {
        TOKEN: SecurityScheme(type="http", scheme="bearer"),
        KEY: SecurityScheme(type="apiKey", name="x-api-key", security_scheme_in="header"),
    }
    given = config.components if isinstance(config.components, list) else [config.components]
    found = copy.copy(config)  # the one given may be Litestar's own default, which every app shares
    found.components = [*given, Components(security_schemes=schemes)]
    return found


def check_app(app: Litestar) -> None:
    """`check_route` for every route."""
    for route in app.routes:
        check_route(route)


def check_route(route: BaseRoute) -> None:
    """Return if every caller that this route declares is asked for, in an organization that is clear.

    Raises:
        ImproperlyConfiguredException: names the handler and what to write.
    """
    for handler in _handlers(route):
        if not handler.fn.__module__.startswith(_FRAMEWORKS_OWN):
            _check_handler(handler, set(route.path_parameters))


def _check_handler(handler: Any, parameters: set[str]) -> None:
    asked = [guard for one in handler.resolve_guards() if isinstance(guard := getattr(one, "func", one), CallerGuard)]
    taken = _taken(handler)
    found: list[CallerGuard | CallerProvide] = list(asked)
    for key, provider, at_app in _declared(handler):
        if key in taken:
            found.append(provider)
        elif provider.place or not at_app:  # guarded or not: a guard may ask for less
            raise ImproperlyConfiguredException(
                f"{handler} lets everybody in: no parameter takes its dependency {key!r}, which is then never asked. "
                "Name it as a parameter, or guard with guards=[singr.guard(...)]."
            )
    for one in found:
        try:
            if one.place:
                one.place.check(parameters)
        except UnclearOrganizationError as error:
            raise ImproperlyConfiguredException(f"{handler}: {error}") from None
    if found and isinstance(handler, HTTPRouteHandler) and handler.security is None:
        handler.security = [{name: []} for name in dict.fromkeys(name for one in found for name in one.shows)]


def _handlers(route: BaseRoute) -> list[Any]:
    if isinstance(route, HTTPRoute):
        return list(route.route_handlers)
    return [route.route_handler] if isinstance(route, WebSocketRoute | ASGIRoute) else []


def _declared(handler: BaseRouteHandler) -> Iterator[tuple[str, CallerProvide, bool]]:
    found: dict[str, tuple[Any, bool]] = {}
    for layer in handler.ownership_layers:  # the nearest to the handler comes last, and counts
        for key, provider in (layer.dependencies or {}).items():
            found[key] = (provider, isinstance(layer, Litestar))
    for key, (provider, at_app) in found.items():
        if isinstance(provider, CallerProvide):
            yield key, provider, at_app


def _taken(handler: BaseRouteHandler) -> set[str]:
    """Name the dependencies that a request has Litestar ask: the parameters' own, and what those take in turn."""
    providers = handler.resolve_dependencies()
    taken: set[str] = set()
    open_ = set(handler.parsed_fn_signature.parameters)
    while open_:
        key = open_.pop()
        if key in providers and key not in taken:
            taken.add(key)
            open_ |= set(providers[key].parsed_fn_signature.parameters)
    return taken
