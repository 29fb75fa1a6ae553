"""What a job system on PostgreSQL does to be measured: `python -m bench.postgres.NAME URL STEP …`.

Only the standard library and psycopg are imported here: peers run in an environment without Singr. Each step ends with
one line of JSON on standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

import psycopg

AT_ONCE = 1_000
CONNECTIONS = 16
_POLL_SECONDS = 0.05

Enqueue = Callable[[int], Awaitable[object]]


class Peer(ABC):
    """One job system, on the database at `url`. Its settings are those that its own documentation gives for speed."""

    name: ClassVar[str]
    package: ClassVar[str]
    ended: ClassVar[str]
    """SQL that counts the jobs that have ended well."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.first = 0.0
        self.spent = 0.0

    @abstractmethod
    async def install(self) -> None:
        """Make its tables."""

    @abstractmethod
    async def fill(self, numbers: range) -> None:
        """Enqueue these no-op jobs in one transaction, or one statement."""

    @abstractmethod
    def enqueuing(self) -> AbstractAsyncContextManager[Enqueue]:
        """What enqueues one no-op job over a pool of CONNECTIONS: committed when it returns."""

    @abstractmethod
    async def work(self, concurrency: int) -> None:
        """Be a worker until cancelled; the no-op handler calls `began`."""

    def began(self) -> None:
        """A handler runs; the first starts the clock."""
        if not self.first:
            self.first, self.spent = time.perf_counter(), time.process_time()


async def enqueue(peer: Peer, count: int, callers: int) -> dict[str, float]:
    """So many callers at once enqueue one job after the other, each committed before its caller goes on."""
    numbers = iter(range(count))

    async def caller(put: Enqueue) -> None:
        for number in numbers:
            await put(number)

    async with peer.enqueuing() as put:
        await put(-1)  # connected
        started, spent = time.perf_counter(), time.process_time()
        await asyncio.gather(*(caller(put) for _ in range(callers)))
        return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - spent}


async def fill(peer: Peer, count: int) -> dict[str, float]:
    """Enqueue in bulk, so many at once."""
    started = time.perf_counter()
    for start in range(0, count, AT_ONCE):
        await peer.fill(range(start, min(start + AT_ONCE, count)))
    return {"seconds": time.perf_counter() - started}


async def drain(peer: Peer, count: int, concurrency: int) -> dict[str, float]:
    """Work until so many jobs have ended: from the first handler's start to the last outcome stored."""
    async with working(peer, concurrency) as worker, await psycopg.AsyncConnection.connect(peer.url) as connection:
        await connection.set_autocommit(True)
        while True:
            if worker.done():
                await worker
                raise RuntimeError("the worker stopped by itself")
            row = await (await connection.execute(peer.ended)).fetchone()
            if row is not None and row[0] >= count:
                return {"seconds": time.perf_counter() - peer.first, "cpu": time.process_time() - peer.spent}
            await asyncio.sleep(_POLL_SECONDS)


async def idle(peer: Peer, concurrency: int) -> dict[str, float]:
    """Work with nothing to do until the end is asked for."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    async with working(peer, concurrency) as worker:
        worker.add_done_callback(lambda _: over.set())
        await over.wait()
        if worker.done():
            await worker
    return {}


@contextlib.asynccontextmanager
async def working(peer: Peer, concurrency: int) -> AsyncIterator[asyncio.Future[None]]:
    """Its worker, in this process; how it stops is not what is measured."""
    worker = asyncio.ensure_future(peer.work(concurrency))
    yield worker
    worker.cancel()


async def step(peer: Peer, name: str, numbers: list[int]) -> dict[str, object]:
    """Do what the command line says."""
    match name, numbers:
        case "describe", []:
            return {"name": peer.name, "version": importlib.metadata.version(peer.package)}
        case "install", []:
            await peer.install()
            return {}
        case "fill", [count]:
            return {**await fill(peer, count)}
        case "enqueue", [count, callers]:
            return {**await enqueue(peer, count, callers)}
        case "drain", [count, concurrency]:
            return {**await drain(peer, count, concurrency)}
        case "idle", [concurrency]:
            return {**await idle(peer, concurrency)}
    raise SystemExit(f"no step {name} {numbers}")


def main(kind: type[Peer]) -> None:
    """Run one step, tell its figures, and be gone: peers that stop slowly have nothing left to say."""
    parser = argparse.ArgumentParser(description=kind.__doc__)
    parser.add_argument("url")
    parser.add_argument("step")
    parser.add_argument("numbers", nargs="*", type=int)
    options = parser.parse_args()

    async def run() -> None:
        report = await step(kind(options.url), options.step, options.numbers)
        print(json.dumps(report), flush=True)
        os._exit(0)

    asyncio.run(run())
