"""Documentation of the probes."""

from typing import Any, Final

from singr_api.operations.health.schemas import Health, Readiness
from singr_api.routing.operations import Example, Operation, Outcome

_OK: Final[dict[str, Any]] = {"status": "ok", "latency_ms": 0.6, "why": None}
_AWAY: Final[dict[str, Any]] = {"status": "degraded", "latency_ms": 3.2, "why": "Redis does not answer: …"}
_REFUSED: Final[dict[str, Any]] = {
    "status": "degraded",
    "latency_ms": 0.9,
    "why": "Refused by providers: twilio (sms) since 2026-11-26 15:04:05 UTC: twilio_20003. …",
}
_DOWN: Final[dict[str, Any]] = {"status": "down", "latency_ms": 3000.1, "why": "PostgreSQL does not answer: …"}

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/health",
        tag="Operations",
        name="health",
        summary="Is the process alive?",
        description="Asks no dependency: for liveness probes.",
        outcomes=(Outcome(200, "It is.", Health, examples={"ok": Example("Alive", {"status": "ok"})}),),
    ),
    Operation(
        method="GET",
        path="/ready",
        tag="Operations",
        name="ready",
        summary="Does it take work?",
        description="Asks each dependency. Without Redis it does (`degraded`); without PostgreSQL it does not. While a"
        " provider refuses our account, `providers` says so: messages are accepted, and kept until it accepts them.",
        outcomes=(
            Outcome(
                200,
                "It does.",
                Readiness,
                examples={
                    "ready": Example(
                        "All is well",
                        {
                            "status": "ready",
                            "checks": {"database": _OK, "migrations": _OK, "redis": _OK},
                        },
                    ),
                    "degraded": Example(
                        "Redis is away",
                        {
                            "status": "degraded",
                            "checks": {"database": _OK, "migrations": _OK, "redis": _AWAY},
                        },
                    ),
                    "refused": Example(
                        "A provider refuses our account",
                        {
                            "status": "degraded",
                            "checks": {"database": _OK, "migrations": _OK, "redis": _OK, "providers": _REFUSED},
                        },
                    ),
                },
            ),
            Outcome(
                503,
                "It does not.",
                Readiness,
                examples={
                    "unavailable": Example(
                        "PostgreSQL is away",
                        {
                            "status": "unavailable",
                            "checks": {"database": _DOWN, "migrations": _DOWN, "redis": _OK},
                        },
                    )
                },
            ),
        ),
    ),
)
