"""What the documentation of the probes shows."""

from typing import Any, Final

from singr_api.routing.operations import Example

_OK: Final[dict[str, Any]] = {"status": "ok", "latency_ms": 0.6, "why": None}
_AWAY: Final[dict[str, Any]] = {"status": "degraded", "latency_ms": 3.2, "why": "Redis does not answer: …"}
_REFUSED: Final[dict[str, Any]] = {
    "status": "degraded",
    "latency_ms": 0.9,
    "why": "Refused by providers: twilio (sms) since 2026-11-26 15:04:05 UTC: twilio_20003. …",
}
_DOWN: Final[dict[str, Any]] = {"status": "down", "latency_ms": 2500.1, "why": "PostgreSQL does not answer: …"}
_UNKNOWN: Final[dict[str, Any]] = {**_DOWN, "status": "degraded", "why": "Not known without the database."}
_BEHIND: Final[dict[str, Any]] = {
    "status": "down",
    "latency_ms": 0.8,
    "why": "The schema is at 0095, this version needs 0099: run singr-db upgrade.",
}


def _readiness(says: str, status: str, **checks: Any) -> Example:
    return Example(says, {"status": status, "checks": {"database": _OK, "migrations": _OK, "redis": _OK, **checks}})


ALIVE: Final = Example("Alive", {"status": "ok"})
READY: Final = _readiness("All dependencies are available", "ready")
DEGRADED: Final = _readiness("Redis is unavailable", "degraded", redis=_AWAY)
REFUSED: Final = _readiness("A provider refuses our account", "degraded", providers=_REFUSED)
UNAVAILABLE: Final = _readiness("PostgreSQL is unavailable", "unavailable", database=_DOWN, migrations=_UNKNOWN)
BEHIND: Final = _readiness("The schema was not upgraded to this version yet", "unavailable", migrations=_BEHIND)
