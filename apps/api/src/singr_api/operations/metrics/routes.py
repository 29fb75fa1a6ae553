"""Metrics, for Prometheus and for people."""

from typing import Any, Final

from litestar import Response

from singr_api.admission.policy import Access, Limit
from singr_api.http.problems import NOT_FOUND
from singr_api.operations.metrics.schemas import IdempotencyState, MetricsDocument
from singr_api.routing.operations import Example
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services
from singr_jobs import KEPT_HOURS
from singr_observability import run_in_thread

metrics = Section("Operations")
_SOME: Final[dict[str, Any]] = {
    "metrics": {
        "singr_auth": {
            "type": "counter",
            "help": "Authentications, by method and outcome.",
            "values": [{"labels": {"method": "signature", "outcome": "accepted"}, "value": 42}],
        }
    },
    "idempotency": {"records": 42, "kept_hours": 48},
}


@metrics.route(
    "GET /metrics",
    "metrics",
    Answer("The Prometheus text format.", media="text/plain"),
    limit=Limit.NONE,
    problems=(NOT_FOUND,),
)
async def prometheus(services: Services) -> Response[bytes]:
    """Metrics for Prometheus.

    If METRICS_HOST or METRICS_PORT is set, they are served there instead, and not here (404).
    """
    body, content_type = await services.metrics_text()
    return Response(body, media_type=content_type.removesuffix("; charset=utf-8"))  # Litestar adds it to all text


@metrics.route(
    "GET /metrics/json",
    "metricsJson",
    Answer("All metrics.", some=Example("One counter", _SOME)),
    access=Access.CALLER,
    scope="operations:read",
)
async def as_json(services: Services) -> MetricsDocument:
    """Metrics for people and scripts.

    Histograms have count, sum and percentiles.
    """
    state = IdempotencyState(await services.idempotency.estimate(), KEPT_HOURS)
    return MetricsDocument(await run_in_thread(services.metrics.render_json), state)
