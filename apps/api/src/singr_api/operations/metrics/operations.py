"""Documentation of the routes of metrics."""

from typing import Final

from singr_api.operations.metrics.schemas import MetricsDocument
from singr_api.routing.operations import Example, Operation, Outcome

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/metrics",
        tag="Operations",
        name="metrics",
        summary="Metrics for Prometheus",
        description="Where METRICS_HOST or METRICS_PORT is set, served there and not here.",
        outcomes=(Outcome(200, "Prometheus' text form.", media_type="text/plain"),),
    ),
    Operation(
        method="GET",
        path="/metrics/json",
        tag="Operations",
        name="metricsJson",
        summary="Metrics for people and scripts",
        description="Histograms come with count, sum and percentiles.",
        outcomes=(
            Outcome(
                200,
                "All metrics.",
                MetricsDocument,
                examples={
                    "some": Example(
                        "One counter",
                        {
                            "metrics": {
                                "singr_auth": {
                                    "type": "counter",
                                    "help": "Authentications, by method and outcome.",
                                    "values": [{"labels": {"method": "signature", "outcome": "accepted"}, "value": 42}],
                                }
                            },
                            "idempotency": {"records": 42, "kept_hours": 48},
                        },
                    )
                },
            ),
        ),
    ),
)
