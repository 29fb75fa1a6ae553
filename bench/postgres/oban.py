"""Oban for Python (from 3.12 on): the tables of Elixir's Oban, a producer a queue, outcomes written in batches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from bench.postgres._peer import CONNECTIONS, Enqueue, Peer, main
from oban import Oban, worker
from oban.schema import install

_serving: list[Peer] = []


class NoOp:
    """Does nothing."""

    async def process(self, job: Any) -> None:
        """Return at once, with a line as ours has it."""
        _serving[0].began()
        logging.info("completed %s", job.id)  # noqa: LOG015 - a program


no_op: Any = worker(queue="default")(NoOp)


class ObanPeer(Peer):
    """Oban with one queue."""

    name = "Oban"
    package = "oban"
    ended = "SELECT count(*) FROM oban_jobs WHERE state = 'completed'"

    async def install(self) -> None:
        """Make its tables."""
        async with await self.pool() as pool:
            await install(pool)

    async def fill(self, numbers: range) -> None:
        """Enqueue them in one statement."""
        async with await self.pool() as pool:
            await Oban(pool=pool).enqueue_many(*(no_op.new({"number": number}) for number in numbers))

    @contextlib.asynccontextmanager
    async def enqueuing(self) -> AsyncIterator[Enqueue]:
        """Enqueue one."""
        async with await self.pool() as pool:
            oban = Oban(pool=pool)
            yield lambda number: oban.enqueue(no_op.new({"number": number}))

    async def work(self, concurrency: int) -> None:
        """Run a queue until stopped."""
        logging.basicConfig(level=logging.INFO)
        _serving.append(self)
        async with await self.pool() as pool:
            oban = Oban(pool=pool, queues={"default": concurrency})
            await oban.start()
            try:
                await asyncio.Event().wait()
            finally:
                await oban.stop()

    async def pool(self) -> Any:
        """Its pool."""
        return await Oban.create_pool(dsn=self.url, min_size=CONNECTIONS, max_size=CONNECTIONS)


if __name__ == "__main__":
    main(ObanPeer)
