"""Routes of metrics, and the small app that serves them on an address of their own."""

from litestar import Response, Router, get
from litestar.di import NamedDependency

from singr_api.admission.call import answer
from singr_api.admission.idempotency import KEPT_HOURS
from singr_api.http.edge import ASGIApp, Receive, Scope, Send
from singr_api.operations.metrics.schemas import IdempotencyState, MetricsDocument
from singr_api.wiring.services import Services
from singr_observability import Metrics, run_in_thread


@get("/metrics")
async def prometheus(services: NamedDependency[Services]) -> Response[bytes]:
    """All metrics in Prometheus' text form."""
    body, content_type = await run_in_thread(services.metrics.render_text)
    return Response(body, media_type=content_type.removesuffix("; charset=utf-8"))  # Litestar adds it to all text


@get("/metrics/json")
async def as_json(services: NamedDependency[Services]) -> Response[bytes]:
    """All metrics with percentiles, and what is kept for idempotency."""
    state = IdempotencyState(await services.idempotency.estimate(), KEPT_HOURS)
    return answer(MetricsDocument(await run_in_thread(services.metrics.render_json), state))


router = Router("/", route_handlers=[as_json])
public_router = Router("/", route_handlers=[prometheus])


def metrics_app(metrics: Metrics) -> ASGIApp:
    """Return an app that answers GET /metrics, and nothing else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        found = scope["type"] == "http" and scope["raw_path"] == b"/metrics" and scope["method"] in {"GET", "HEAD"}
        body, content_type = await run_in_thread(metrics.render_text) if found else (b"Not found\n", "text/plain")
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"].removeprefix("lifespan.")
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return
