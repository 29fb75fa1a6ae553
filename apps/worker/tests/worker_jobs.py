"""Jobs for the tests of the worker; served with `--jobs worker_jobs:jobs`."""

import asyncio

import msgspec

from singr_jobs import JobContext, Jobs, Queue

jobs = Jobs()
not_jobs = 7


class Nap(msgspec.Struct, frozen=True, tag="worker.nap"):
    """Takes `seconds`."""

    seconds: float = 0.0


@jobs.handler(Nap, queue=Queue.DEFAULT, timeout=60)
async def nap(job: Nap, _: JobContext) -> None:
    """Take time."""
    await asyncio.sleep(job.seconds)
