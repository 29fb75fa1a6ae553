"""The API with parts of its observability taken out, to see what they cost: `python -m bench.observed PART …`.

Parts: `metrics` and `correlation` (access logs have a setting of their own). Nothing but a measurement runs this: a
part has no switch in the product, so it is cut out of the running code here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from singr_api.wiring.cli import main
from singr_observability import _middleware
from singr_observability.metrics import _series


def without_metrics() -> None:
    """Counters and histograms stand still."""

    def nothing(_self: object, _amount: float = 1.0) -> None:
        """Count nothing."""

    for series, step in ((_series.CounterSeries, "inc"), (_series.HistogramSeries, "observe")):
        cut(series, step, nothing)


def cut(place: Any, name: str, replacement: object) -> None:
    """Put the replacement where the code has a part of that name, and insist that it has."""
    if not hasattr(place, name):
        raise SystemExit(f"{name} is no longer in {place}: bring this bench up to date")
    setattr(place, name, replacement)


class _NoContext:
    """Stands in for a context variable that nobody sets."""

    def __init__(self, value: object) -> None:
        self._value = value

    def get(self, _default: object = None) -> object:
        return self._value

    def set(self, _value: object) -> None:
        return None

    def reset(self, _token: object) -> None:
        return None


def without_correlation() -> None:
    """No request id is read, made or bound; every request has the same."""

    def incoming(scope: Any) -> tuple[str, None]:
        if scope.get("state") is None:
            scope["state"] = {}
        scope["state"]["request_id"] = "-"
        return "-", None

    cut(_middleware, "_incoming", incoming)
    cut(_middleware, "correlation_id", _NoContext("-"))
    cut(_middleware, "correlation_fields", _NoContext({}))
    cut(_middleware, "incoming_traceparent", _NoContext(None))


PARTS: dict[str, Callable[[], None]] = {"metrics": without_metrics, "correlation": without_correlation}

if __name__ == "__main__":
    for part in sys.argv[1:]:
        PARTS[part]()
    sys.exit(main(["serve"]))
