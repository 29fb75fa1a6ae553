"""Times in buckets, two to each doubling, from 61 µs to 36 hours: what is summed keeps its percentiles."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import frexp
from typing import Final

_DOUBLINGS: Final = 31
_SHORTEST: Final = 2.0**-14
_LONGEST: Final = _SHORTEST * 2**_DOUBLINGS
BUCKETS: Final = 2 * _DOUBLINGS + 2
"""How many there are: one for what is shorter and one for what is longer than the others hold."""
_DIGITS: Final = 3


def bucket_of(seconds: float) -> int:
    """Which bucket a time belongs to; what is no time (negative, NaN) to the first."""
    if not seconds >= _SHORTEST:
        return 0
    if seconds >= _LONGEST:
        return BUCKETS - 1
    mantissa, exponent = frexp(seconds)
    return 2 * (exponent + 13) + (2 if mantissa >= 0.75 else 1)  # noqa: PLR2004 - the middle of a doubling


def percentile(counts: Sequence[int], part: float) -> float | None:
    """The time in seconds that this part of what was counted did not exceed; None where nothing was.

    It is off by less than a bucket: by a quarter at the most, mostly by a tenth.

    Args:
        counts: how many times each bucket has.
        part: such as 0.95.
    """
    reached = list(accumulate(counts))
    wanted = part * reached[-1]
    if not wanted:
        return None
    bucket = bisect_left(reached, wanted)
    low, high = _edge(bucket), _edge(bucket + 1)
    inside = 1 - (reached[bucket] - wanted) / counts[bucket]
    return float(f"{low + (high - low) * inside:.{_DIGITS}g}")


def _edge(bucket: int) -> float:
    """Where a bucket begins."""
    if not bucket:
        return 0.0
    doubling, second_half = divmod(min(bucket, BUCKETS - 1) - 1, 2)
    return _SHORTEST * 2.0**doubling * (1.5 if second_half else 1.0)
