"""Handlers that tests steer, and waiting for conditions."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from singr_db import Database
from singr_db.ending import LOSE
from singr_jobs import (
    Exponential,
    JobContext,
    Jobs,
    PermanentError,
    Queue,
    RetryLater,
    Submission,
    enqueue,
)

ORGANIZATION = UUID("01920000-0000-7000-8000-0000000000aa")
jobs = Jobs()
newer = Jobs()


class Steer(msgspec.Struct, frozen=True, tag="test.steer"):
    """A job whose course its test chose: `plan` holds a word for each attempt."""

    name: str
    plan: tuple[str, ...] = ("ok",)


class Pulse:
    """What ran, in order, and a gate that `wait` attempts stand at."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.running = 0
        self.most_running = 0
        self.gate = asyncio.Event()
        self.contexts: list[JobContext] = []


@jobs.handler(
    Steer, queue=Queue.DEFAULT, attempts=3, backoff=Exponential(0.05), timeout=20, public=True, needs=(Pulse,)
)
async def steer(job: Steer, context: JobContext) -> object | None:
    pulse = context.resource(Pulse)
    pulse.ran.append(job.name)
    pulse.contexts.append(context)
    pulse.running += 1
    pulse.most_running = max(pulse.most_running, pulse.running)
    try:
        match job.plan[min(context.attempt, len(job.plan)) - 1]:
            case "fail":
                raise ValueError("no luck with token=abcdef0123456789abcdef")
            case "permanent":
                raise PermanentError("no_such_thing", "there is no such thing")
            case "later":
                raise RetryLater(0.4, "busy", "the provider asks for patience")
            case "held" if pulse.ran.count(job.name) <= 4:
                raise RetryLater(0.02, "account", "the provider refuses our account", counts=False)
            case "wait":
                await pulse.gate.wait()
            case "hang":
                await asyncio.sleep(3600)
            case "progress":
                await context.progress(40)
                await pulse.gate.wait()
            case "nul":
                return {"text": "a\x00b"}
            case "result":
                return {"sent": 2}
    finally:
        pulse.running -= 1
    return None


class Later(msgspec.Struct, frozen=True, tag="test.later"):
    """A job of a type that came with a later release."""

    name: str


@newer.handler(Later, attempts=3, needs=(Pulse,))
async def later(job: Later, context: JobContext) -> None:
    pulse = context.resource(Pulse)
    pulse.ran.append(job.name)
    pulse.contexts.append(context)


newer.include(jobs)


async def put_later(db: Database, *names: str) -> list[UUID]:
    async with db.tenant(ORGANIZATION) as session:
        return [await enqueue(session, Later(name), organization_id=ORGANIZATION) for name in names]


async def put(db: Database, name: str = "a", *plan: str, organization_id: UUID = ORGANIZATION, **options: Any) -> UUID:
    """Enqueue one steered job."""
    async with db.tenant(organization_id) as session:
        return await enqueue(session, Steer(name, plan or ("ok",)), organization_id=organization_id, **options)


async def take_by_hand(
    db: Database, *ids: UUID, token: int = 1, over_in: float = 3600.0, state: str = "working", worker: str = "by-hand"
) -> None:
    """As a worker leaves jobs behind that took them: on a ticket whose lease is over in so many seconds."""
    async with db.psycopg.connection() as connection, connection.transaction():
        for table in ("job_ready", "job_later", "job_keyed", "job_parked", "job_waiting"):
            await connection.execute(f"DELETE FROM {table} WHERE id = ANY (%s)", (list(ids),))
        await connection.execute(
            "INSERT INTO job_tickets (token, queue, ids, state, leased_until, worker, started_at)"
            " VALUES (%s, 'default', %s, %s, now() + %s * interval '1 second', %s, now())",
            (token, list(ids), state, over_in, worker),
        )


async def end_by_hand(db: Database, statement: str, given: dict[str, Any]) -> int:
    """Run a statement that ends jobs; answers how many did. Those of workers count them, the sweeper's names them."""
    async with db.psycopg.connection() as connection:
        rows = await (await connection.execute(statement, given)).fetchall()
    return len(rows) if statement == LOSE else int(rows[0][0])


async def lies(db: Database, job_id: UUID) -> str:
    """Where a job is: `ready`, `later`, `keyed`, `parked`, `waiting`, `working` or `travelling`; none once it ended."""
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(
            "SELECT 'ready' FROM job_ready WHERE id = %(id)s UNION ALL SELECT 'later' FROM job_later WHERE id = %(id)s"
            " UNION ALL SELECT 'keyed' FROM job_keyed WHERE id = %(id)s"
            " UNION ALL SELECT 'parked' FROM job_parked WHERE id = %(id)s"
            " UNION ALL SELECT 'waiting' FROM job_waiting WHERE id = %(id)s"
            " UNION ALL SELECT state FROM job_tickets WHERE %(id)s = ANY (ids)",
            {"id": job_id},
        )
        return " and ".join([where for (where,) in await cursor.fetchall()])


def submission(key: str, name: str = "a", **options: Any) -> Submission:
    """What a caller of POST /v1/jobs asks for, with a nonce of its own each time."""
    options = {"job_type": jobs.named("test.steer"), "organization_id": ORGANIZATION, "nonce": uuid4().hex} | options
    return Submission(
        payload=Steer(name),
        credential="key-1",
        idempotency_key=key,
        method="POST",
        path="/v1/jobs",
        body_hash=hashlib.sha256(name.encode()).digest(),
        **options,
    )


async def until(condition: Callable[[], Awaitable[bool] | bool], *, within: float = 15.0, what: str = "") -> None:
    """Wait until the condition holds; fails the test when it does not within that many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"not within {within} s: {what or condition}")
