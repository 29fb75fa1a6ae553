"""The jobs that the benches run: `singr-worker run --queues email --jobs bench.noop:jobs`.

They wait in the queue `email`, whose concurrency has a setting, so that it can be the same as the peer's.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import time

import msgspec

from singr_jobs import JobContext, Jobs, Keyed, Queue

CONCURRENCY = 50
QUEUE = Queue.EMAIL
PACE_SECONDS = 0.05
ACCOUNTS = 1_000
SPENT = "bench_spent_seconds"
jobs = Jobs()


class NoOp(msgspec.Struct, frozen=True, tag="bench.noop"):
    """Does nothing."""

    number: int


class KeyedNoOp(msgspec.Struct, frozen=True, tag="bench.keyed"):
    """Does nothing, for one of so many accounts, of whose limit it never meets the end."""

    number: int


class Clock(msgspec.Struct, frozen=True, tag="bench.clock"):
    """Answers when its handler began."""

    number: int


class Paced(msgspec.Struct, frozen=True, tag="bench.paced"):
    """Answers when its handler began, and takes as long as a call of a provider does."""

    number: int


class Spent:
    """What this process's CPU did from its first no-op job on, looked at every so many jobs."""

    STEP = 50

    def __init__(self) -> None:
        self.jobs = 0
        self.began = self.last = 0.0

    def count(self) -> None:
        """Another job."""
        if self.jobs % self.STEP == 0:
            self.last = time.process_time()
            self.began = self.began or self.last
        self.jobs += 1

    def report(self) -> None:
        """Say it, when the process ends: seconds for how many jobs."""
        counted = (self.jobs - 1) // self.STEP * self.STEP
        if counted > 0:
            print(json.dumps({SPENT: self.last - self.began, "jobs": counted}), flush=True)


_spent = Spent()
atexit.register(_spent.report)


@jobs.handler(NoOp, queue=QUEUE, public=True)
async def no_op(_job: NoOp, _ctx: JobContext) -> None:
    """Return at once."""
    _spent.count()


@jobs.handler(KeyedNoOp, queue=QUEUE, concurrency=Keyed(lambda job: job.number % ACCOUNTS, limit=10_000))
async def no_op_of_a_key(_job: KeyedNoOp, _ctx: JobContext) -> None:
    """Return at once."""
    _spent.count()


@jobs.handler(Clock, queue=QUEUE)
async def tell_the_time(_job: Clock, _ctx: JobContext) -> float:
    """Return the wall clock, in seconds."""
    return time.time()


@jobs.handler(Paced, queue=QUEUE)
async def take_a_while(_job: Paced, _ctx: JobContext) -> float:
    """Return the wall clock at the start, in seconds."""
    began = time.time()
    await asyncio.sleep(PACE_SECONDS)
    return began
