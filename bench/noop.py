"""The jobs that the benches run, and the worker that runs them: `python -m bench.noop`.

The worker is wired as `singr-worker run` wires it (its logs and metrics included), with these jobs in place of the
product's. It says `{"ready": true}` in its log once it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time

import msgspec

from singr_config import load_settings
from singr_db import Database
from singr_jobs import (
    JobContext,
    Jobs,
    JobTelemetry,
    JobWorker,
    Queue,
    QueueOptions,
    WorkerOptions,
    redis_client,
    redis_transport,
)
from singr_observability import build_metrics, configure_logging

CONCURRENCY = 50
jobs = Jobs()


class NoOp(msgspec.Struct, frozen=True, tag="bench.noop"):
    """Does nothing."""

    number: int


class Clock(msgspec.Struct, frozen=True, tag="bench.clock"):
    """Answers when its handler began."""

    number: int


@jobs.handler(NoOp, queue=Queue.DEFAULT)
async def no_op(_job: NoOp, _ctx: JobContext) -> None:
    """Return at once."""


@jobs.handler(Clock, queue=Queue.DEFAULT)
async def tell_the_time(_job: Clock, _ctx: JobContext) -> float:
    """Return the wall clock, in seconds."""
    return time.time()


async def work() -> None:
    """Serve the default queue until SIGTERM."""
    settings = load_settings(env_file=None)
    configure_logging(level=settings.app.log_level, json=True)
    async with Database(settings.database, application_name="bench-worker") as database:
        client = redis_client(settings.redis)
        worker = JobWorker(
            database.hot,
            client,
            redis_transport(settings.redis),
            jobs,
            resources={},
            name="bench",
            options=WorkerOptions(queues={Queue.DEFAULT: QueueOptions(concurrency=CONCURRENCY)}),
            observer=JobTelemetry(build_metrics()),
        )
        running = asyncio.create_task(worker.run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: loop.create_task(worker.stop()))
        sys.stdout.write('{"ready": true}\n')
        sys.stdout.flush()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await client.aclose()


if __name__ == "__main__":
    asyncio.run(work())
