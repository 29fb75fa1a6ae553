"""One look for all who ask at the same time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_Found = TypeVar("_Found")


class OneLook(Generic[_Found]):
    """Looks once for all who ask meanwhile, so that those who ask cost what one costs.

    A caller who goes away takes the look from nobody. One that fails is told to those who waited for it, and kept for
    nobody.

    Args:
        look: what finds out.
        good_for: seconds for which what was found serves those who ask later.
    """

    def __init__(self, look: Callable[[], Awaitable[_Found]], *, good_for: float = 0.0) -> None:
        self._look = look
        self._good_for = good_for
        self._good_until = 0.0
        self._looking: asyncio.Task[_Found] | None = None

    async def __call__(self) -> _Found:
        """What the look finds that runs, or found just now; else that of a new one."""
        if self._looking is None or (self._looking.done() and time.monotonic() >= self._good_until):
            self._looking = asyncio.create_task(self._find())
        return await asyncio.shield(self._looking)

    async def close(self) -> None:
        """Give up a look that runs."""
        if self._looking is not None and not self._looking.done():
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _find(self) -> _Found:
        found = await self._look()
        self._good_until = time.monotonic() + self._good_for
        return found
