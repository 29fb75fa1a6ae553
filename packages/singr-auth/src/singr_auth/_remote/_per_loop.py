"""What belongs to one event loop, made anew for each: an app that starts again in the same process has another loop."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One of `make()` for each event loop that asks; what belonged to a loop that has closed is let go."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """Return the running loop's."""
        loop = asyncio.get_running_loop()
        found = self._made.get(loop)
        if found is None:
            for other in [one for one in self._made if one.is_closed()]:
                self._made.pop(other, None)
            found = self._made[loop] = self._make()
        return found

    def take(self) -> T | None:
        """Return the running loop's, if there is one, and forget it."""
        return self._made.pop(asyncio.get_running_loop(), None)
