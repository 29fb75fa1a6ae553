"""What a measurement says: rows with their targets, percentiles, medians over turns."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

NONE = "-"
TURNS = 3
"""How often each is measured, ours and the peer by turns; medians are told."""


@dataclass(frozen=True)
class Target:
    """What was to be reached, in `words`; `got` is compared with `limit`, from below or from above."""

    words: str
    got: float
    limit: float
    at_least: bool

    @property
    def reached(self) -> bool:
        """Whether it was."""
        return self.got >= self.limit if self.at_least else self.got <= self.limit

    @property
    def verdict(self) -> str:
        """Yes, or no and by how much of the target not."""
        return "yes" if self.reached else f"NO, by {abs(self.got - self.limit) / self.limit:.0%}"


def at_least(got: float, limit: float, words: str) -> Target:
    """A target that more is better for."""
    return Target(f">= {limit:g} {words}".rstrip(), got, limit, at_least=True)


def at_most(got: float, limit: float, words: str) -> Target:
    """A target that less is better for."""
    return Target(f"<= {limit:g} {words}".rstrip(), got, limit, at_least=False)


@dataclass(frozen=True)
class Row:
    """One line of the result: what was measured, ours, the peer's, and the target."""

    bench: str
    measure: str
    ours: str
    theirs: str = NONE
    ratio: str = NONE
    target: Target | None = None

    def cells(self) -> tuple[str, ...]:
        """The line as it is printed."""
        words, verdict = (self.target.words, self.target.verdict) if self.target else (NONE, NONE)
        return (self.bench, self.measure, self.ours, self.theirs, self.ratio, words, verdict)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of all lie at or below (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(percent / 100 * len(ordered) + 0.5) - 1))]


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def latency_rows(
    bench: str, mine: list[list[float]], other: list[list[float]], *, percents: Sequence[int], limits: dict[int, float]
) -> list[Row]:
    """Latencies in milliseconds, one list a turn: the median over the turns of each percentile; some have a target."""
    found = []
    for percent in percents:
        ours = median([percentile(turn, percent) for turn in mine])
        theirs = median([percentile(turn, percent) for turn in other]) if other else None
        found.append(
            Row(
                bench,
                f"p{percent}, ms",
                f"{ours:.1f}",
                NONE if theirs is None else f"{theirs:.1f}",
                f"{ours / theirs:.2f}" if theirs else NONE,
                at_most(ours, limits[percent], "ms") if percent in limits else None,
            )
        )
    return found


def rate_row(bench: str, measure: str, mine: list[float], other: list[float], *, times_peer: float | None) -> Row:
    """Rates a second, one a turn: medians, and the median of the ratios of neighbouring turns."""
    ratio = median([one / two for one, two in zip(mine, other, strict=True)]) if other else None
    return Row(
        bench,
        measure,
        f"{median(mine):,.0f}",
        f"{median(other):,.0f}" if other else NONE,
        NONE if ratio is None else f"{ratio:.2f}",
        None if ratio is None or times_peer is None else at_least(ratio, times_peer, "x peer"),
    )
