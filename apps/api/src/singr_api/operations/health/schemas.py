"""What probes get."""

from typing import Literal

import msgspec


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Check(msgspec.Struct, frozen=True):
    """One dependency. `why` says what is wrong, and the consequences."""

    status: Literal["ok", "degraded", "down"]
    latency_ms: float
    why: str | None = None


class Readiness(msgspec.Struct, frozen=True):
    """Readiness: `degraded` still accepts work; `unavailable` does not (503)."""

    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, Check]
