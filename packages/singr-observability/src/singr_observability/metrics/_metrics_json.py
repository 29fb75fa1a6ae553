"""Metrics for people and scripts: plain JSON with percentiles estimated from the buckets."""

import math
from collections import defaultdict
from typing import Final

from prometheus_client.metrics_core import Metric

_PERCENTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def json_values(metric: Metric) -> list[dict[str, object]]:
    """Return one entry per set of labels."""
    if metric.type == "histogram":
        return _histograms(metric)
    return [
        {"labels": sample.labels, "value": sample.value}
        for sample in metric.samples
        if not sample.name.endswith("_created")
    ]


def _histograms(metric: Metric) -> list[dict[str, object]]:
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = defaultdict(list)
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in metric.samples:
        key = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        if sample.name.endswith("_bucket"):
            buckets[key].append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[key] = sample.value
    values: list[dict[str, object]] = []
    for key, cumulative in buckets.items():
        cumulative.sort()
        percentiles = {name: percentile(cumulative, share) for name, share in _PERCENTILES.items()}
        count = cumulative[-1][1]
        values.append({"labels": dict(key), "count": count, "sum": sums.get(key, 0.0), **percentiles})
    return values


def percentile(cumulative: list[tuple[float, float]], share: float) -> float | None:
    """Estimate a percentile from `(upper bound, cumulative count)` pairs, straight between two bounds.

    What lies in the last, unbounded bucket is given as the largest bound, as Prometheus' `histogram_quantile` does.
    """
    total = cumulative[-1][1]
    if not total:
        return None
    wanted = total * share
    lower_bound = lower_count = 0.0
    for bound, count in cumulative:
        if count >= wanted:
            if math.isinf(bound):
                return lower_bound
            return lower_bound + (bound - lower_bound) * (wanted - lower_count) / (count - lower_count)
        lower_bound, lower_count = bound, count
    return lower_bound
