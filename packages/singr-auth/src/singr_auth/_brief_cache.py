"""A short memory for look-ups: each key is loaded once at a time, and what does not exist is remembered too."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class BriefCache(Generic[V]):
    """Remember each look-up for `seconds` from the moment it was *asked*, so that nothing older is ever served.

    Found and not found are kept apart, each bounded: a flood of invented keys pushes out other invented keys, never a
    real one. A failed look-up is raised to all who wait for it and is not remembered. Belongs to one event loop.
    """

    def __init__(self, load: Callable[[str], Awaitable[V | None]], *, seconds: float, size: int) -> None:
        self._load = load
        self._seconds = seconds
        self._size = size
        self._found: dict[str, tuple[float, V]] = {}
        self._absent: dict[str, float] = {}
        self._flights: dict[str, asyncio.Task[V | None]] = {}

    async def get(self, key: str) -> V | None:
        """Return what `key` stands for, or None; loads it if nothing fresh is known."""
        now = time.monotonic()
        entry = self._found.get(key)
        if entry is not None and entry[0] > now:
            return entry[1]
        absent_until = self._absent.get(key)
        if absent_until is not None and absent_until > now:
            return None
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fetch(key, now))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        # shielded: one caller that goes away must not fail the others who wait for the same look-up
        return await asyncio.shield(flight)

    def forget(self, key: str) -> None:
        """Drop what is known of `key`, and what is being asked about it now."""
        self._found.pop(key, None)
        self._absent.pop(key, None)
        self._flights.pop(key, None)

    async def _fetch(self, key: str, asked: float) -> V | None:
        flight = asyncio.current_task()
        value = await self._load(key)
        if self._flights.get(key) is not flight:
            return value  # forgotten meanwhile: what was read may be from before
        until = asked + self._seconds
        if value is None:
            self._found.pop(key, None)
            _remember(self._absent, key, until, self._size)
        else:
            self._absent.pop(key, None)
            _remember(self._found, key, (until, value), self._size)
        return value

    def _landed(self, key: str, flight: asyncio.Task[V | None]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # read it: when every caller went away, nobody else would


T = TypeVar("T")


def _remember(entries: dict[str, T], key: str, value: T, size: int) -> None:
    entries.pop(key, None)
    while len(entries) >= size:
        del entries[next(iter(entries))]
    entries[key] = value
