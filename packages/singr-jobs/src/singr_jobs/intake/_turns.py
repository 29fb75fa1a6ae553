"""A bound for what may have to wait for somebody else's open transaction: a job's own id, or its unique key.

Whoever may enqueue may leave a transaction open that names one. Who asks for the same name waits for a moment, on a
connection of a share of the pool, so that the others go on; and for the next moment whoever else asks is told at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg_pool import PoolTimeout

from singr_db import PsycopgPool, sql
from singr_jobs.declare._errors import IdempotencyInProgressError

# Transactions of ours are over in milliseconds. Who is answered "in progress" is asked to come again after a second.
_PATIENCE_S: Final = 1
_FOR_A_CONNECTION_S: Final = 5.0

# Within the transaction alone: the connection's next one waits as ever.
_BRIEFLY: Final = sql(f"SELECT set_config('lock_timeout', '{_PATIENCE_S}s', true)")


class Turns:
    """Lends half of the pool's connections at most, each with a transaction that waits for no lock for long."""

    def __init__(self, pool: PsycopgPool) -> None:
        self._pool = pool
        self._free = asyncio.Semaphore(max(1, pool.max_size // 2))
        self._held: dict[Hashable, float] = {}

    @asynccontextmanager
    async def connection(self, name: Hashable) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend a connection to whoever is about to store something of that name.

        Raises:
            IdempotencyInProgressError: a transaction that is still open stores something of that name.
            PoolTimeout: none was free for too long.
        """
        try:
            async with asyncio.timeout(_FOR_A_CONNECTION_S):
                await self._free.acquire()
        except TimeoutError:
            raise PoolTimeout("all connections of the way for own ids and unique keys are taken") from None
        try:
            if self._held.get(name, 0.0) > time.monotonic():
                raise _in_progress()
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.LockNotAvailable:
            self._remember(name)
            raise _in_progress() from None
        finally:
            self._free.release()

    @staticmethod
    @asynccontextmanager
    async def transaction(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
        """Run one transaction that waits for nobody for long."""
        async with connection.transaction():
            await connection.execute(_BRIEFLY)
            yield

    def _remember(self, name: Hashable) -> None:
        now = time.monotonic()
        self._held = {one: until for one, until in self._held.items() if until > now}
        self._held[name] = now + _PATIENCE_S


def _in_progress() -> IdempotencyInProgressError:
    return IdempotencyInProgressError("somebody's open transaction stores the same id or unique key; try again")
