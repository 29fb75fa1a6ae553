"""The API: `create_app(settings)` gives the ASGI application."""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any, cast

from litestar import Litestar, Request, Response
from litestar.middleware import DefineMiddleware
from litestar.types import ControllerRouterHandler

from singr_api.admission.gate import Gate
from singr_api.admission.lane import IngestionLane
from singr_api.admission.policy import PolicyTable
from singr_api.http.body import ClientGoneError
from singr_api.http.edge import CHARSET, ASGIApp, Edge, Scope, answer_of
from singr_api.operations.metrics.apart import metrics_apart
from singr_api.wiring.installation import Installation
from singr_api.wiring.reader_pages import fault_page
from singr_api.wiring.routes import policy_table, routes
from singr_api.wiring.secret_places import hide_secret_places
from singr_api.wiring.services import Services
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
    hide_secret_places(routes())
    services = Services(settings, counted)
    app: ASGIApp = Installation(documented_routes(apart=metrics_apart(settings)), services)
    table = policy_table()
    if lane:
        submits = {"/v1/jobs": services.submitter.submit}
        app = IngestionLane(app, guards=services.guards, table=table, submits=submits)
    edge = Edge(
        app,
        origins=settings.app.cors_origins,
        allowed=table.allowed,
        secure=settings.app.env is AppEnv.PRODUCTION and settings.app.url_api.startswith("https://"),
        pages=partial(fault_page, services),
    )
    return ObservabilityMiddleware(edge, metrics=counted, log_requests=settings.app.enable_request_logging)


@cache
def documented_routes(*, apart: bool) -> Litestar:
    """Return the documented routes, without the layers around them and without parts: `Installation` hands those in.

    Building them takes a tenth of a second, so a process does it once.

    Args:
        apart: whether metrics are served on an address of their own.
    """
    handlers = [route.served for route in routes() if not (apart and route.policy.path == "/metrics")]
    return framework(handlers, policy_table())


def framework(handlers: Sequence[ControllerRouterHandler], table: PolicyTable) -> Litestar:
    """Return routes behind the gate.

    Args:
        handlers: as the framework takes them.
        table: their policies.
    """
    return Litestar(
        route_handlers=handlers,
        middleware=[DefineMiddleware(Gate, table=table)],  # type: ignore[arg-type] # ASGI by other names
        exception_handlers={Exception: _answer_error},
        openapi_config=None,
        logging_config=None,
    )


def _answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if isinstance(error, ClientGoneError):
        raise error  # nobody is there to answer, and nothing went wrong: the edge lets it go
    status, headers, body = answer_of(error, cast("Scope", request.scope))
    named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name != b"content-length"}
    return Response(body, status_code=status, headers=named, media_type=named.pop("content-type").removesuffix(CHARSET))
