"""Jobs for fault tests: each leaves a mark in the table `marks` when it begins and when it is done."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from singr_db import Database
from singr_jobs import Exponential, JobContext, Jobs, Keyed

jobs = Jobs()
newer = Jobs()


class Work(msgspec.Struct, frozen=True, tag="fault.work"):
    """Takes `seconds`, on its first attempt `first` instead, and marks both ends."""

    seconds: float = 0.0
    first: float | None = None


class Kill(msgspec.Struct, frozen=True, tag="fault.kill"):
    """Kills the process that runs it."""


class Note(msgspec.Struct, frozen=True, tag="fault.note"):
    """Takes `seconds` and writes a line into a file: a witness that no store can take away."""

    path: str
    seconds: float = 0.0


class Fail(msgspec.Struct, frozen=True, tag="fault.fail"):
    """Fails in the way of that name."""

    way: str


class Nothing(msgspec.Struct, frozen=True, tag="fault.nothing"):
    """Asks for nothing."""


class Keep(msgspec.Struct, frozen=True, tag="fault.keep"):
    """As `Work`, of an account, of which two at a time may run."""

    account: str
    seconds: float = 0.0
    first: float | None = None


class New(msgspec.Struct, frozen=True, tag="fault.new"):
    """A type that came with a later release."""


class WordlessError(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


WAYS: dict[str, Callable[[], object]] = {
    "surrogate": lambda: _throw(RuntimeError("bad \ud800")),
    "wordless": lambda: _throw(WordlessError()),
    "exit": lambda: _throw(SystemExit(1)),
    "group": lambda: _throw(BaseExceptionGroup("several", [KeyboardInterrupt(), WordlessError()])),
    "nul": lambda: {"text": "\x00"},
    "huge": lambda: "x" * 30_000_000,
}


def _throw(error: BaseException) -> None:
    raise error


@jobs.handler(Work, attempts=10, backoff=Exponential(0.1), timeout=120, public=True, needs=(Database,))
async def work(job: Work, context: JobContext) -> None:
    """Mark, take time, mark."""
    await mark(context, "began")
    first = job.first if job.first is not None and context.attempt == 1 else None
    await asyncio.sleep(job.seconds if first is None else first)
    await mark(context, "done")


@jobs.handler(
    Keep,
    attempts=10,
    backoff=Exponential(0.1),
    timeout=400,
    needs=(Database,),
    concurrency=Keyed(lambda job: job.account, limit=2),
)
async def keep(job: Keep, context: JobContext) -> None:
    """Mark, take time, mark."""
    await work(Work(job.seconds, job.first), context)


@jobs.handler(Kill, attempts=3, backoff=Exponential(0.1), timeout=60, public=True, needs=(Database,))
async def kill(_: Kill, context: JobContext) -> None:
    """Mark, and die without a word."""
    await mark(context, "began")
    os.kill(os.getpid(), signal.SIGKILL)


@jobs.handler(Note, attempts=10, backoff=Exponential(0.1), timeout=120, public=True)
async def note(job: Note, context: JobContext) -> dict[str, int]:
    """Take time, and write down whose time it was."""
    await asyncio.sleep(job.seconds)
    with Path(job.path).open("a") as file:
        file.write(f"{context.job_id}\n")
    return {"seconds": int(job.seconds)}


@jobs.handler(Fail, attempts=1, backoff=Exponential(0.1))
async def fail(job: Fail, _: JobContext) -> object:
    """Fail."""
    return WAYS[job.way]()


@jobs.handler(Nothing, attempts=3, backoff=Exponential(0.1))
async def nothing(_: Nothing, __: JobContext) -> None:
    """Do it."""


@newer.handler(New, attempts=3, backoff=Exponential(0.1), needs=(Database,))
async def new(_: New, context: JobContext) -> None:
    """Mark."""
    await mark(context, "done")


newer.include(jobs)


async def mark(context: JobContext, what: str) -> None:
    """Commit one row."""
    async with context.resource(Database).psycopg.connection() as connection:
        await connection.execute(
            "INSERT INTO marks (job_id, attempt, what) VALUES (%s, %s, %s)",
            (context.job_id, context.attempt, what),
        )
