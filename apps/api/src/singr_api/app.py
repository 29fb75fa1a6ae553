"""The API: `create_app(settings)` gives the ASGI application."""

from functools import cache
from typing import Any, cast

from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.types import ControllerRouterHandler

from singr_api.admission.gate import Gate
from singr_api.admission.lane import IngestionLane
from singr_api.http.edge import ASGIApp, Edge, Scope, answer_of
from singr_api.identity.factors.routes import router as factors
from singr_api.identity.links.routes import router as links
from singr_api.identity.me.routes import router as me
from singr_api.identity.passkeys.routes import router as passkeys
from singr_api.identity.passwords.routes import router as passwords
from singr_api.identity.registration.routes import router as registration
from singr_api.identity.sessions.routes import router as sessions
from singr_api.identity.sign_in.routes import router as sign_in
from singr_api.identity.users.routes import router as users
from singr_api.identity.well_known.routes import router as well_known
from singr_api.messages.deliveries.routes import router as deliveries
from singr_api.operations.documentation.routes import router as documentation
from singr_api.operations.health.routes import router as health
from singr_api.operations.metrics.routes import public_router as public_metrics
from singr_api.operations.metrics.routes import router as metrics_json
from singr_api.operations.problems.routes import router as problems
from singr_api.organizations.credentials.introspection import router as introspection
from singr_api.organizations.credentials.routes import router as credentials
from singr_api.organizations.invitations.routes import router as invitations
from singr_api.organizations.organizations.routes import router as organizations
from singr_api.wiring.installation import Installation, services_of
from singr_api.wiring.services import Services
from singr_api.work.jobs.routes import router as jobs
from singr_config import AppEnv, Settings
from singr_observability import Metrics, ObservabilityMiddleware, build_metrics


def create_app(settings: Settings, *, metrics: Metrics | None = None, lane: bool = True) -> ASGIApp:
    """Build the API. Nothing is connected before its lifespan starts, and neither store has to be there then.

    Args:
        settings: all sections; those for the worker and the providers are not read.
        metrics: where to count; built from the settings, unless given.
        lane: answer the hot routes before the framework is asked; without it they are answered alike, only slower.
    """
    counted = metrics or build_metrics(settings.app.prometheus_multiproc_dir or None)
    services = Services(settings, counted)
    routes: ASGIApp = Installation(documented_routes(apart=metrics_apart(settings)), services)
    if lane:
        routes = IngestionLane(routes, guards=services.guards, submits={"/v1/jobs": services.submitter.submit})
    edge = Edge(
        routes,
        origins=settings.app.cors_origins,
        secure=settings.app.env is AppEnv.PRODUCTION and settings.app.url_api.startswith("https://"),
    )
    return ObservabilityMiddleware(edge, metrics=counted, log_requests=settings.app.enable_request_logging)


@cache
def documented_routes(*, apart: bool) -> Litestar:
    """Return the documented routes, without the layers around them and without parts: `Installation` hands those in.

    Building them takes a tenth of a second, so a process does it once.

    Args:
        apart: whether metrics are served on an address of their own.
    """
    routers: list[ControllerRouterHandler] = [jobs, deliveries, health, metrics_json, documentation, well_known, links]
    routers += [registration, sign_in, passwords, me, users]
    routers += [passkeys]
    routers += [organizations, invitations, credentials, introspection]
    routers += [sessions, factors]
    routers += [problems]
    if not apart:
        routers.append(public_metrics)
    return Litestar(
        route_handlers=routers,
        middleware=[DefineMiddleware(Gate)],  # type: ignore[arg-type] # ASGI by other names
        dependencies={"services": Provide(services_of, sync_to_thread=False)},
        exception_handlers={Exception: _answer_error},
        openapi_config=None,
        logging_config=None,
    )


def metrics_apart(settings: Settings) -> bool:
    """Tell whether metrics are served on an address of their own."""
    return bool(settings.app.metrics_host) or settings.app.metrics_port is not None


def _answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    status, headers, body = answer_of(error, cast("Scope", request.scope))
    named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name != b"content-length"}
    return Response(body, status_code=status, headers=named, media_type=named.pop("content-type"))
