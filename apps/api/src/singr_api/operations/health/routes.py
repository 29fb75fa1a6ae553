"""Routes of the probes."""

from litestar import Response, Router, get
from litestar.di import NamedDependency

from singr_api.admission.call import answer
from singr_api.operations.health.schemas import Health
from singr_api.wiring.services import Services


@get("/health")
async def health() -> Response[bytes]:
    """Tell that the process answers; asks nothing else."""
    return answer(Health())


@get("/ready")
async def ready(services: NamedDependency[Services]) -> Response[bytes]:
    """Tell whether work is taken, dependency by dependency."""
    readiness = await services.probes.readiness()
    return answer(readiness, status=503 if readiness.status == "unavailable" else 200)


router = Router("/", route_handlers=[health, ready])
