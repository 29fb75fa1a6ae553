"""Procrastinate: tasks deferred by a function in PostgreSQL, fetched one by one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

from bench.postgres._peer import CONNECTIONS, Enqueue, Peer, main
from procrastinate import App, PsycopgConnector


class Procrastinate(Peer):
    """Procrastinate's own worker, woken by LISTEN; one job is fetched at a time, as it does."""

    name = "Procrastinate"
    package = "procrastinate"
    ended = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        connector = PsycopgConnector(conninfo=url, min_size=CONNECTIONS, max_size=CONNECTIONS)
        self.app = App(connector=connector)
        self.task = self.app.task(name="noop")(self.no_op)

    async def no_op(self, number: int) -> None:  # noqa: ARG002 - the job's argument
        """Return at once."""
        self.began()

    async def install(self) -> None:
        """Make its tables."""
        async with self.app.open_async():
            await self.app.schema_manager.apply_schema_async()

    async def fill(self, numbers: range) -> None:
        """Defer them in one statement."""
        async with self.app.open_async():
            await self.task.batch_defer_async(*({"number": number} for number in numbers))

    @contextlib.asynccontextmanager
    async def enqueuing(self) -> AsyncIterator[Enqueue]:
        """Defer one."""
        async with self.app.open_async():
            yield lambda number: self.task.defer_async(number=number)

    async def work(self, concurrency: int) -> None:
        """Run with a line a job, as ours has it."""
        logging.basicConfig(level=logging.INFO)
        async with self.app.open_async():
            await self.app.run_worker_async(concurrency=concurrency, install_signal_handlers=False)


if __name__ == "__main__":
    main(Procrastinate)
