"""What a chore's loop asks before a turn, and tells after it."""

import asyncio
import contextlib
import time
from datetime import datetime
from typing import Any, Final, NamedTuple

from singr_db._storable import storable_text
from singr_observability import redact_text

_LONGEST_ERROR: Final = 500


class Asked(NamedTuple):
    """When somebody asked for a turn by the database's clock, and how many seconds ago that was."""

    at: datetime
    ago: float


class Switch:
    """One chore's switch in this process: the loop reads and writes it, and `Switches` takes it to the database."""

    def __init__(self) -> None:
        self.paused = False
        self.changed = True
        self._is_known = asyncio.Event()
        self._asked = asyncio.Event()
        self._met: datetime | None = None
        self._began: float | None = None
        self._seconds: float | None = None
        self._next: float | None = None
        self._failed: float | None = None
        self._error: str | None = None
        self._last: float | None = None

    async def known(self) -> None:
        """Until the database has said whether it is paused: a process that has just started does not know."""
        await self._is_known.wait()

    def begins(self) -> bool:
        """Whether a turn may begin: it is not paused, or somebody asked for one."""
        if self.paused and not self._asked.is_set():
            return False
        self._asked.clear()
        self._began = time.monotonic()
        return True

    def ends(self, failure: Exception | None) -> None:
        """A turn that `begins` allowed has ended."""
        now = time.monotonic()
        self._last, self._seconds, self.changed = self._began, now - (self._began or now), True
        if failure is not None:
            self._failed, self._error = now, _words(failure)

    async def wait(self, seconds: float) -> None:
        """Until the next turn is due, or asked for."""
        self._next, self.changed = time.monotonic() + seconds, True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._asked.wait()

    def heard(self, asked: Asked | None, *, paused: bool) -> None:
        """What the database says: a turn that began since it was asked for is the one that was meant.

        What was asked once is met once: the longer the answer took, the later that seems to have been.
        """
        self.paused = paused
        self._is_known.set()
        if asked is None or asked.at == self._met:
            return
        if self._began is None or self._began < time.monotonic() - asked.ago:
            self._met = asked.at
            self._asked.set()

    def told(self) -> dict[str, Any]:
        """How it went, in seconds from now: clocks of machines differ."""
        now = time.monotonic()
        return {
            "ago": None if self._last is None else now - self._last,
            "seconds": self._seconds,
            "next_in": None if self._next is None else self._next - now,
            "failed_ago": None if self._failed is None else now - self._failed,
            "error": self._error,
        }


def _words(error: Exception) -> str:
    """Its kind and its first line: what follows may quote rows."""
    cause = getattr(error, "orig", None) or error
    first = next(iter(str(cause).splitlines()), "")
    return redact_text(storable_text(f"{type(cause).__name__}: {first}"))[:_LONGEST_ERROR]
