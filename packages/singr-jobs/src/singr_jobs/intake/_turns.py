"""Turns for what may have to wait for others: a job's own id, or its unique key.

Those who ask for one name come one after the other: first within the process, where they hold no connection, then among
processes, by a lock of PostgreSQL on the name. So a queue of requests is no lock that times out, and whoever's turn it
is waits for nobody but somebody else's transaction. Whoever may enqueue may leave one open that names the same: it is
waited for during a moment, on a connection of a share of the pool, so that other names go on; and for the next moment
whoever else asks for that name is told at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID
from weakref import WeakValueDictionary

import psycopg
from psycopg_pool import PoolTimeout

from singr_db import PsycopgPool, sql
from singr_jobs.declare._errors import NameInUseError

# Transactions of ours are over in milliseconds. Who is told that it is in use is asked to come again after a second.
_PATIENCE_S: Final = 1
_FOR_A_CONNECTION_S: Final = 5.0

# Within the transaction alone: the connection's next one waits as ever. The lock is asked for under the timeout.
_TAKE_TURN: Final = sql(f"""
WITH briefly AS MATERIALIZED (
    SELECT set_config('lock_timeout', '{_PATIENCE_S}s', true)
)
SELECT pg_advisory_xact_lock(%(name)s) FROM briefly
""")  # noqa: S608 - a constant


class TurnTakenError(Exception):
    """Another process had its turn at this name all the while: ask again."""


class Turns:
    """Gives turns, each a transaction that waits for no lock for long, on half of the pool's connections at most."""

    def __init__(self, pool: PsycopgPool) -> None:
        self._pool = pool
        self._free = asyncio.Semaphore(max(1, pool.max_size // 2))
        self._lines: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._held: dict[Hashable, float] = {}

    @asynccontextmanager
    async def turn(self, name: Hashable, until: float) -> AsyncIterator[None]:
        """Wait for one's turn at a name within this process, until that time of the monotonic clock at the latest.

        Raises:
            NameInUseError: somebody else's transaction, which is open, stores something of that name; or the turn did
                not come in time.
        """
        self._refuse_held(name)
        line = self._lines.setdefault(name, asyncio.Lock())  # gone with the last who stands in it
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await line.acquire()
        except TimeoutError:
            raise changes_hands(name) from None
        try:
            self._refuse_held(name)
            yield
        except psycopg.errors.LockNotAvailable:
            self._remember(name)
            raise _held_open(name) from None
        finally:
            line.release()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend a connection to whoever's turn it is; raises PoolTimeout where none was free for too long."""
        try:
            async with asyncio.timeout(_FOR_A_CONNECTION_S):
                await self._free.acquire()
        except TimeoutError:
            raise PoolTimeout("all connections of the way for own ids and unique keys are taken") from None
        try:
            async with self._pool.connection() as connection:
                yield connection
        finally:
            self._free.release()

    @staticmethod
    @asynccontextmanager
    async def transaction(connection: psycopg.AsyncConnection[Any], name: Hashable) -> AsyncIterator[None]:
        """Run one transaction as the only one of all processes that has its turn at the name.

        Raises:
            TurnTakenError: it did not begin, since another process has its turn.
        """
        async with connection.transaction():
            try:
                await connection.execute(_TAKE_TURN, {"name": _lock_of(name)})
            except psycopg.errors.LockNotAvailable:
                raise TurnTakenError from None
            yield

    def _refuse_held(self, name: Hashable) -> None:
        if self._held.get(name, 0.0) > time.monotonic():
            raise _held_open(name)

    def _remember(self, name: Hashable) -> None:
        now = time.monotonic()
        self._held = {one: until for one, until in self._held.items() if until > now}
        self._held[name] = now + _PATIENCE_S


def _lock_of(name: Hashable) -> int:
    """The lock that processes share: two names that fall together wait for each other, and no more."""
    return int.from_bytes(blake2b(f"turn {name!r}".encode(), digest_size=8).digest(), signed=True)


def changes_hands(name: Hashable) -> NameInUseError:
    """What somebody is told whose turn did not come."""
    return _in_use(name, "Others store jobs of the same {}, one after the other. Try again.")


def _held_open(name: Hashable) -> NameInUseError:
    return _in_use(name, "Somebody's open transaction stores a job of the same {}. Try again.")


def _in_use(name: Hashable, words: str) -> NameInUseError:
    if isinstance(name, UUID):
        return NameInUseError("id", words.format("id"))
    return NameInUseError("unique_key", words.format("unique key"))
