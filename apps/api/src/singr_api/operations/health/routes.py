"""The probes."""

from litestar import Response

from singr_api.admission.call import answer
from singr_api.admission.policy import Limit
from singr_api.operations.health import examples
from singr_api.operations.health.schemas import Health, Readiness
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services

probes = Section("Operations", limit=Limit.NONE)


@probes.route("GET /health", "health", Answer("The process is alive.", ok=examples.ALIVE))
async def health() -> Health:
    """Check that the process is alive.

    Checks no dependency: for liveness probes.
    """
    return Health()


@probes.route(
    "GET /ready",
    "ready",
    Answer(
        "Work is accepted.", of=Readiness, ready=examples.READY, degraded=examples.DEGRADED, refused=examples.REFUSED
    ),
    Answer("Work is not accepted.", of=Readiness, status=503, unavailable=examples.UNAVAILABLE, behind=examples.BEHIND),
)
async def ready(services: Services) -> Response[bytes]:
    """Check readiness.

    Checks each dependency. Without Redis the service is `degraded` but accepts work; without PostgreSQL, or with
    a schema older than this version needs, it does not.
    While a provider refuses our account, `providers` says so: messages are accepted, and kept until the provider
    accepts them.
    """
    readiness = await services.probes.readiness()
    return answer(readiness, status=503 if readiness.status == "unavailable" else 200)
