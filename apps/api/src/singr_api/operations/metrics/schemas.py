"""What readers of metrics get."""

from typing import Any

import msgspec


class IdempotencyState(msgspec.Struct, frozen=True):
    """The approximate number of stored idempotency records (the planner's estimate; null before the first ANALYZE)."""

    records: int | None
    kept_hours: int


class MetricsDocument(msgspec.Struct, frozen=True):
    """All metrics, and the number of idempotency records."""

    metrics: dict[str, Any]
    idempotency: IdempotencyState
