"""What readers of metrics get."""

from typing import Any

import msgspec


class IdempotencyState(msgspec.Struct, frozen=True):
    """About how many idempotency records are kept (the planner's estimate; null before the first ANALYZE)."""

    records: int | None
    kept_hours: int


class MetricsDocument(msgspec.Struct, frozen=True):
    """All metrics, and what is kept for idempotency."""

    metrics: dict[str, Any]
    idempotency: IdempotencyState
