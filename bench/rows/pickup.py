"""Idle pick-up: from the commit of an enqueued job to the start of its handler, with nothing else to do."""

from __future__ import annotations

import asyncio
import random
import time
from uuid import UUID

from bench.figures import TURNS, Row, latency_rows
from bench.harness import ORGANIZATION, PEER, BenchError, Stand, decode_report
from bench.noop import CONCURRENCY, Clock
from sqlalchemy import text

from singr_config.testing import settings_for_tests
from singr_db import Database
from singr_jobs import Waker, enqueue, redis_client

BENCH = "Idle pick-up"
P95_TARGET_MS = 5.0
RESULT = text("SELECT result FROM jobs WHERE id = :id AND status = 'completed'")


def run(place: Stand) -> list[Row]:
    """Measure both in turns; our worker waits meanwhile, the peer's is started anew."""
    turns, count = place.scaled(TURNS, 1), place.scaled(100, 5)
    environ = place.environ(place.database("pickup"), 3)
    mine, other = [], []
    for turn in range(turns):
        with place.worker(f"pickup-worker-{turn}", environ, concurrency=CONCURRENCY):
            mine.append(asyncio.run(samples(environ, count)))
        if place.node is not None:
            other.append(theirs(place, turn, count))
    return latency_rows(BENCH, mine, other, percents=(50, 95), limits={95: P95_TARGET_MS})


async def samples(environ: dict[str, str], count: int) -> list[float]:
    """Enqueue one job at a time, as the API does, and take the time its handler told; milliseconds."""
    settings = settings_for_tests(DATABASE_URL=environ["DATABASE_URL"], REDIS_URL=environ["REDIS_URL"])
    client = redis_client(settings.redis)
    async with Database(settings.database, application_name="bench-pickup") as database:
        Waker(client).attach(database.session_info)
        await one(database, 0)  # the worker is up and serves
        found = []
        for number in range(count):
            await asyncio.sleep(0.05 + random.random() * 0.1)
            found.append(await one(database, number))
    await client.aclose()
    return found


async def one(database: Database, number: int) -> float:
    """Milliseconds from commit to handler for one job; 0 where the handler was there before we were told."""
    async with database.tenant(UUID(ORGANIZATION)) as session:
        job_id = await enqueue(session, Clock(number), organization_id=UUID(ORGANIZATION))
    committed = time.time()
    deadline = committed + 30
    while time.time() < deadline:
        async with database.platform() as session:
            result = (await session.execute(RESULT, {"id": job_id})).scalar()
        if result is not None:
            return max(0.0, (float(result) - committed) * 1000)
        await asyncio.sleep(0.02)
    raise BenchError("a job was not picked up within 30 s")


def theirs(place: Stand, turn: int, count: int) -> list[float]:
    """The same for BullMQ, enqueued and handled in one process."""
    environ = place.peer_environ(MODE="latency", COUNT=str(count), CONCURRENCY=str(CONCURRENCY))
    name = f"pickup-peer-{turn}"
    with place.program(name, [str(place.node), PEER / "worker.js"], environ) as peer:
        peer.process.wait(180)
    found: list[float] = decode_report(place.logs / f"{name}.log")["samples"]
    return found
