"""The probes."""

from litestar import Response

from singr_api.admission.call import answer
from singr_api.admission.policy import Limit
from singr_api.operations.health import examples
from singr_api.operations.health.schemas import Health, Readiness
from singr_api.routing.route import Answer, Section
from singr_api.wiring.services import Services

probes = Section("Operations", limit=Limit.NONE)


@probes.route("GET /health", "health", Answer("It is.", ok=examples.ALIVE))
async def health() -> Health:
    """Is the process alive?

    Asks no dependency: for liveness probes.
    """
    return Health()


@probes.route(
    "GET /ready",
    "ready",
    Answer("It does.", of=Readiness, ready=examples.READY, degraded=examples.DEGRADED, refused=examples.REFUSED),
    Answer("It does not.", of=Readiness, status=503, unavailable=examples.UNAVAILABLE),
)
async def ready(services: Services) -> Response[bytes]:
    """Does it take work?

    Asks each dependency. Without Redis it does (`degraded`); without PostgreSQL it does not. While a provider refuses
    our account, `providers` says so: messages are accepted, and kept until it accepts them.
    """
    readiness = await services.probes.readiness()
    return answer(readiness, status=503 if readiness.status == "unavailable" else 200)
