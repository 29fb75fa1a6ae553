"""Jobs for fault tests: each leaves a mark in the table ``marks`` when it begins and when it is done."""

import asyncio
import os
import signal

import msgspec

from singr_db import Database
from singr_jobs import Exponential, JobContext, Jobs

jobs = Jobs()


class Work(msgspec.Struct, frozen=True, tag="fault.work"):
    """Takes ``seconds``, on its first attempt ``first`` instead, and marks both ends."""

    seconds: float = 0.0
    first: float | None = None


class Kill(msgspec.Struct, frozen=True, tag="fault.kill"):
    """Kills the process that runs it."""


@jobs.handler(Work, attempts=10, backoff=Exponential(0.1), timeout=120, public=True, needs=(Database,))
async def work(job: Work, context: JobContext) -> None:
    """Mark, take time, mark."""
    await mark(context, "began")
    first = job.first if job.first is not None and context.attempt == 1 else None
    await asyncio.sleep(job.seconds if first is None else first)
    await mark(context, "done")


@jobs.handler(Kill, attempts=3, backoff=Exponential(0.1), timeout=60, public=True, needs=(Database,))
async def kill(_: Kill, context: JobContext) -> None:
    """Mark, and die without a word."""
    await mark(context, "began")
    os.kill(os.getpid(), signal.SIGKILL)


async def mark(context: JobContext, what: str) -> None:
    """Commit one row."""
    async with context.resource(Database).hot.connection() as connection:
        await connection.execute(
            "INSERT INTO marks (job_id, attempt, what) VALUES (%s, %s, %s)",
            (context.job_id, context.attempt, what),
        )
