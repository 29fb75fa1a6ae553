"""Counters, gauges and histograms whose values live in this process until someone asks for them.

prometheus_client's own metrics choose between memory and shared files when the module is imported, and write to the
shared file at every step. These choose when they are built, cost a lock and an addition, and are written out (see
`_multiprocess`) twice a second.
"""

import math
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, Literal, TypeVar

_FOLD_AT: Final = 1024

Kind = Literal["counter", "gauge", "histogram"]

LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds; 0.05 is the promise for ingestion at p95, 0.005 the one for idempotency look-ups."""

DURATION_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds in seconds for what may take minutes."""


class _Pending:
    """Numbers put aside by any thread at the cost of an append, and counted together.

    An append to a deque is atomic; only counting takes the lock.
    """

    __slots__ = ("_lock", "_pending")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: deque[float] = deque()

    def _put(self, number: float) -> None:
        self._pending.append(number)
        if len(self._pending) >= _FOLD_AT:
            with self._lock:
                self._fold(self._take())

    def _take(self) -> list[float]:
        popleft = self._pending.popleft
        return [popleft() for _ in range(len(self._pending))]

    def _fold(self, numbers: list[float]) -> None:
        raise NotImplementedError

    def reset(self) -> None:
        """Begin at zero, with a lock of its own: a fork may have copied it while held."""
        self._lock = threading.Lock()
        self._pending.clear()


class CounterSeries(_Pending):
    """One counter with its labels chosen."""

    __slots__ = ("_value",)

    def __init__(self, _buckets: Sequence[float] = ()) -> None:
        super().__init__()
        self._value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Add `amount`; raises ValueError when it is negative."""
        if amount < 0:
            raise ValueError("a counter only goes up")
        self._put(amount)

    @property
    def value(self) -> float:
        """The count so far."""
        with self._lock:
            self._fold(self._take())
            return self._value

    def numbers(self) -> tuple[float, ...]:
        """Return the value, as a tuple like the other kinds."""
        return (self.value,)

    def reset(self) -> None:
        """Begin at zero."""
        super().reset()
        self._value = 0.0

    def _fold(self, numbers: list[float]) -> None:
        self._value += sum(numbers)


class GaugeSeries:
    """One gauge with its labels chosen; `changed_at` (Unix seconds) tells which process set it last; 0: none."""

    __slots__ = ("_lock", "changed_at", "value")

    def __init__(self, _buckets: Sequence[float] = ()) -> None:
        self._lock = threading.Lock()
        self.value = 0.0
        self.changed_at = 0.0

    def set(self, value: float) -> None:
        """Set the value."""
        with self._lock:
            self.value = float(value)
            self.changed_at = time.time()

    def inc(self, amount: float = 1.0) -> None:
        """Add `amount`, which may be negative."""
        with self._lock:
            self.value += amount
            self.changed_at = time.time()

    def dec(self, amount: float = 1.0) -> None:
        """Take `amount` away."""
        self.inc(-amount)

    def numbers(self) -> tuple[float, ...]:
        """Return the value, as a tuple like the other kinds."""
        return (self.value,)

    def reset(self) -> None:
        """Begin as never set."""
        self._lock = threading.Lock()
        self.value = 0.0
        self.changed_at = 0.0


class HistogramSeries(_Pending):
    """One histogram with its labels chosen."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, buckets: Sequence[float]) -> None:
        super().__init__()
        self._bounds = tuple(buckets)
        self._counts = [0] * len(self._bounds)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """Add one observation (seconds)."""
        self._put(value)

    @contextmanager
    def time(self) -> Iterator[None]:
        """Observe how long the block takes, whether it fails or not."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - started)

    def numbers(self) -> tuple[float, ...]:
        """Return the count of each bucket (not cumulative), then the sum."""
        with self._lock:
            self._fold(self._take())
            return (*self._counts, self._total)

    def reset(self) -> None:
        """Begin at zero."""
        super().reset()
        self._counts = [0] * len(self._bounds)
        self._total = 0.0

    def _fold(self, numbers: list[float]) -> None:
        self._total += sum(numbers)
        numbers.sort()
        below = 0
        for index, bound in enumerate(self._bounds):
            upto = bisect_right(numbers, bound, below)
            self._counts[index] += upto - below
            below = upto


_One = TypeVar("_One", CounterSeries, GaugeSeries, HistogramSeries)


class Family(Generic[_One]):
    """A metric with labels: `labels(...)` gives the series, which callers on a hot path keep."""

    def __init__(
        self,
        kind: Kind,
        name: str,
        documentation: str,
        label_names: Sequence[str],
        *,
        make: Callable[[Sequence[float]], _One],
        buckets: Sequence[float] = (),
    ) -> None:
        self.kind: Kind = kind
        self.name = name
        self.documentation = documentation
        self.label_names = tuple(label_names)
        self.buckets = (*sorted(set(buckets) - {math.inf}), math.inf) if kind == "histogram" else ()
        self._make: Callable[[Sequence[float]], _One] = make
        self._lock = threading.Lock()
        self._series: dict[tuple[str, ...], _One] = {}
        if not self.label_names:
            self.labels()

    def labels(self, *values: object, **named: object) -> _One:
        """Return the series for these label values, by position or by name; raises ValueError when they do not fit."""
        if named:
            if values or named.keys() != set(self.label_names):
                raise ValueError(f"{self.name} takes the labels {', '.join(self.label_names) or '(none)'}")
            values = tuple(named[name] for name in self.label_names)
        elif len(values) != len(self.label_names):
            raise ValueError(f"{self.name} takes the labels {', '.join(self.label_names) or '(none)'}")
        key = tuple(map(str, values))
        series = self._series.get(key)
        if series is None:
            with self._lock:
                series = self._series.setdefault(key, self._make(self.buckets))
        return series

    def series(self) -> list[tuple[tuple[str, ...], _One]]:
        """Return all label values with their series."""
        with self._lock:
            return list(self._series.items())

    def clear(self) -> None:
        """Forget every series: for a gauge whose label values come and go. Series handed out before are detached."""
        with self._lock:
            self._series.clear()

    def reset(self) -> None:
        """Begin every series at zero, keeping the objects that callers hold; for the child of a fork."""
        self._lock = threading.Lock()
        for series in self._series.values():
            series.reset()


class Counter(Family[CounterSeries]):
    """Something that only goes up. `name` without `_total`."""

    def __init__(self, name: str, documentation: str, label_names: Sequence[str] = ()) -> None:
        super().__init__("counter", name.removesuffix("_total"), documentation, label_names, make=CounterSeries)

    def inc(self, amount: float = 1.0) -> None:
        """Add to the counter; only for one without labels."""
        self.labels().inc(amount)


class Gauge(Family[GaugeSeries]):
    """A value that goes up and down. Over several processes, the one that set it last counts."""

    def __init__(self, name: str, documentation: str, label_names: Sequence[str] = ()) -> None:
        super().__init__("gauge", name, documentation, label_names, make=GaugeSeries)

    def set(self, value: float) -> None:
        """Set the gauge; only for one without labels."""
        self.labels().set(value)


class Histogram(Family[HistogramSeries]):
    """How observations spread over `buckets` (upper bounds, seconds unless the name says otherwise)."""

    def __init__(
        self,
        name: str,
        documentation: str,
        label_names: Sequence[str] = (),
        buckets: Sequence[float] = LATENCY_BUCKETS,
    ) -> None:
        super().__init__("histogram", name, documentation, label_names, make=HistogramSeries, buckets=buckets)

    def observe(self, value: float) -> None:
        """Observe a value; only for a histogram without labels."""
        self.labels().observe(value)
