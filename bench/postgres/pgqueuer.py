"""PgQueuer: an INSERT and NOTIFY a job, batches dequeued with SKIP LOCKED, outcomes written in batches."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

import asyncpg
from bench.postgres._peer import CONNECTIONS, Enqueue, Peer, main
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries


class PgQueuerPeer(Peer):
    """PgQueuer over asyncpg, its faster driver; batches of half the concurrency, the most that it takes."""

    name = "PgQueuer"
    package = "pgqueuer"
    ended = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"

    async def no_op(self, job: Job) -> None:
        """Return at once, with a line as ours has it."""
        self.began()
        logging.info("completed %s", job.id)  # noqa: LOG015 - a program

    async def install(self) -> None:
        """Make its tables."""
        connection = await asyncpg.connect(self.url)
        await Queries(AsyncpgDriver(connection)).install()
        await connection.close()

    async def fill(self, numbers: range) -> None:
        """Enqueue them in one statement."""
        connection = await asyncpg.connect(self.url)
        payloads: list[bytes | None] = [str(number).encode() for number in numbers]
        await Queries(AsyncpgDriver(connection)).enqueue(["noop"] * len(numbers), payloads, [0] * len(numbers))
        await connection.close()

    @contextlib.asynccontextmanager
    async def enqueuing(self) -> AsyncIterator[Enqueue]:
        """Enqueue one."""
        async with asyncpg.create_pool(self.url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
            queries = Queries(AsyncpgPoolDriver(pool))
            yield lambda number: queries.enqueue("noop", str(number).encode())

    async def work(self, concurrency: int) -> None:
        """Run its manager."""
        logging.basicConfig(level=logging.INFO)
        connection = await asyncpg.connect(self.url)
        manager = PgQueuer.from_asyncpg_connection(connection)
        manager.entrypoint("noop")(self.no_op)
        await manager.run(batch_size=concurrency // 2, max_concurrent_tasks=concurrency)


if __name__ == "__main__":
    main(PgQueuerPeer)
