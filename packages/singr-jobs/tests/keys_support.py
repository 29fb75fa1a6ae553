"""Jobs with a key, and what is known of their limits."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import msgspec
from jobs_support import ORGANIZATION, Pulse, lies

from singr_db import Database
from singr_jobs import JobContext, Jobs, Keyed, Rate, RetryLater, enqueue
from singr_jobs.keys._promoter import Promoter
from singr_jobs.taking import _sql as taking

keyed = Jobs()


class Charge(msgspec.Struct, frozen=True, tag="test.charge"):
    """A job of an account, of which one at a time may run; `plan` as of `Steer`."""

    account: str | None
    name: str = "a"
    plan: str = "ok"


class Call(msgspec.Struct, frozen=True, tag="test.call"):
    """A job of a provider that takes two calls a minute."""

    provider: str
    name: str = "a"


class Running:
    """How many jobs of each account run, and how many did at the most."""

    def __init__(self) -> None:
        self.now: Counter[str | None] = Counter()
        self.most: Counter[str | None] = Counter()


running = Running()


@keyed.handler(Charge, concurrency=Keyed(lambda job: job.account, limit=1), timeout=20, public=True, needs=(Pulse,))
async def charge(job: Charge, context: JobContext) -> None:
    pulse = context.resource(Pulse)
    pulse.ran.append(job.name)
    running.now[job.account] += 1
    running.most[job.account] = max(running.most[job.account], running.now[job.account])
    try:
        match job.plan:
            case "wait":
                await pulse.gate.wait()
            case "fail":
                raise ValueError("no luck")
            case "later" if context.attempt == 1:
                raise RetryLater(0.2, "busy", "the provider asks for patience")
            case "hold" if context.attempt == 1:
                raise RetryLater(3600, "too_many", "the provider asks for patience", scope="key")
            case _:
                await asyncio.sleep(0)
    finally:
        running.now[job.account] -= 1


@keyed.handler(Call, rate=Keyed(lambda job: job.provider, Rate(2, 60)), needs=(Pulse,))
async def call(job: Call, context: JobContext) -> None:
    context.resource(Pulse).ran.append(job.name)


async def put_charge(
    db: Database, account: str | None, name: str = "a", plan: str = "ok", *, of: UUID = ORGANIZATION, **options: Any
) -> UUID:
    async with db.tenant(of) as session:
        return await enqueue(session, Charge(account, name, plan), organization_id=of, **options)


async def put_call(db: Database, provider: str, name: str = "a") -> UUID:
    async with db.tenant(ORGANIZATION) as session:
        return await enqueue(session, Call(provider, name), organization_id=ORGANIZATION)


async def rows(db: Database, statement: str, *values: object) -> list[Any]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []


async def at(db: Database, job: UUID, where: str) -> bool:
    return await lies(db, job) == where


async def look(promoter: Promoter) -> None:
    """Look until there is nothing to be done."""
    while await promoter.look() == 0.0:
        pass


async def look_at_all(promoter: Promoter) -> None:
    """As `look`, over all keys, also those that were looked at just now."""
    promoter._stretch_at = 0.0
    await look(promoter)


async def place_astray(db: Database) -> list[Any]:
    async with db.psycopg.connection() as connection:
        return await (await connection.execute(taking.PLACE_ASTRAY, {"limit": 10})).fetchall()
