"""The jobs that the benches run: `singr-worker run --queues email --jobs bench.noop:jobs`.

They wait in the queue `email`, whose concurrency has a setting, so that it can be the same as the peer's.
"""

from __future__ import annotations

import time

import msgspec

from singr_jobs import JobContext, Jobs, Queue

CONCURRENCY = 50
QUEUE = Queue.EMAIL
jobs = Jobs()


class NoOp(msgspec.Struct, frozen=True, tag="bench.noop"):
    """Does nothing."""

    number: int


class Clock(msgspec.Struct, frozen=True, tag="bench.clock"):
    """Answers when its handler began."""

    number: int


@jobs.handler(NoOp, queue=QUEUE)
async def no_op(_job: NoOp, _ctx: JobContext) -> None:
    """Return at once."""


@jobs.handler(Clock, queue=QUEUE)
async def tell_the_time(_job: Clock, _ctx: JobContext) -> float:
    """Return the wall clock, in seconds."""
    return time.time()
