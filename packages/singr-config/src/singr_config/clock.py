"""The time of day, read in one place, so that tests can move it.

`clock` is the one clock of a process: the system's, and ahead of it only where a test says so (the fixture `clock` of
`singr_dev`).
Time-outs and intervals do not come from here but from `time.monotonic`, which no test moves.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["Clock", "clock"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Reads the time of day: the system's, and what it was moved by."""

    def __init__(self) -> None:
        self._ahead: Callable[[], int] | None = None

    def time_ns(self) -> int:
        """Return nanoseconds since 1970 (POSIX)."""
        return time.time_ns() + self.ahead_ns()  # noqa: TID251 — this is the one place that reads it

    def time(self) -> float:
        """Return seconds since 1970 (POSIX)."""
        return self.time_ns() / 1_000_000_000

    def now(self) -> datetime:
        """Return the time of day in UTC, with its zone."""
        if self._ahead is None:
            return datetime.now(UTC)  # noqa: TID251 — as above
        return _EPOCH + timedelta(microseconds=self.time_ns() // 1000)

    def ahead_ns(self) -> int:
        """Return by how many nanoseconds this clock is ahead of the system's; 0 outside of tests."""
        return 0 if self._ahead is None else self._ahead()

    def move(self, ahead: Callable[[], int] | None) -> None:
        """Be ahead of the system's clock from now on, or (None) no more; as `moved`, for good."""
        self._ahead = ahead

    @contextmanager
    def moved(self, ahead: Callable[[], int]) -> Iterator[None]:
        """Let the clock be ahead of the system's until the block ends.

        Args:
            ahead: says by how many nanoseconds, each time that the clock is read.
        """
        before, self._ahead = self._ahead, ahead
        try:
            yield
        finally:
            self._ahead = before


clock: Final = Clock()
"""This process's clock."""
