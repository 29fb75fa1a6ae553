"""Fairness: how long the jobs of two organizations wait while a third floods their queue, with `high` too.

The work is paced: each job takes as long as a call of a provider does, so what the worker can do a second is known.
Beside it stands the same worker half busy with an even load of all three, by turns. In each the same two organizations
enqueue at the same rate, one job a transaction, as the API does; theirs alone are measured.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from uuid import UUID

import psycopg
from bench.cpu import WORKER
from bench.figures import TURNS, Row, at_most, median, percentile
from bench.filling import fill
from bench.harness import OURS, BenchError, Stand, tail
from bench.noop import PACE_SECONDS, Paced

from singr_config.testing import settings_for_tests
from singr_db import Database, new_id
from singr_jobs import Priority, Waker, enqueue, redis_client

BENCH = "Fairness"
RATIO_TARGET = 1.2
CONCURRENCY = 20
BUSY = 0.5
"""How much of what the worker can do the even load asks for."""
ORGANIZATIONS = 3
RATE = BUSY * CONCURRENCY / PACE_SECONDS / ORGANIZATIONS
"""Jobs a second of each organization that does not flood."""
SETTLED_SECONDS = 2.0
"""What comes before: a flood has reached the worker by then."""
PATIENCE_SECONDS = 60
EVEN = "an even load"
FLOODS: dict[str, Priority] = {"a flood": Priority.NORMAL, "a flood with high": Priority.HIGH}
BEGAN = "SELECT id, result::text::float8 FROM jobs WHERE organization_id = ANY (%s) AND status = 'completed'"
WAITING = "SELECT count(*) FROM job_ready WHERE organization_id = %s"
ENDED = "SELECT count(*) FROM jobs WHERE finished_at > to_timestamp(%s)"


def run(place: Stand) -> list[Row]:
    """Measure the even load and each flood by turns, each in a database of its own."""
    waits: dict[str, list[list[float]]] = {load: [] for load in (EVEN, *FLOODS)}
    for turn in range(place.scaled(TURNS, 1)):
        for number, load in enumerate(waits):
            waits[load].append(measured(place, load, f"fairness_{number}_{turn}"))
        place.forget()
    return [row(flood, waits[flood], waits[EVEN]) for flood in FLOODS]


def row(flood: str, flooded: list[list[float]], even: list[list[float]]) -> Row:
    """The others' waits beside those under the even load."""
    mine, other = ([percentile(turn, 95) for turn in turns] for turns in (flooded, even))
    ratio = median([one / two for one, two in zip(mine, other, strict=True)])
    p50 = median([percentile(turn, 50) for turn in flooded])
    measure = f"pick-up beside {flood}, p95, ms (p50 {p50:.1f}; p95 of {EVEN}, half busy: {median(other):.1f})"
    target = at_most(ratio, RATIO_TARGET, f"x {EVEN}")
    return Row(BENCH, measure, f"{median(mine):.1f}", ratio=f"{ratio:.2f}", target=target)


def measured(place: Stand, load: str, name: str) -> list[float]:
    """Milliseconds that each job of the two waited in one turn."""
    environ = place.environ(place.database(name), 2)
    database, seconds = environ["DATABASE_URL"], float(place.scaled(15, 1))
    third, *two = [new_id() for _ in range(ORGANIZATIONS)]
    flooding = FLOODS.get(load)
    if flooding is not None:  # twice what the worker can do in that time
        flood = int(2 * CONCURRENCY / PACE_SECONDS * (seconds + 2 * SETTLED_SECONDS))
        fill(database, map(Paced, range(flood)), organization=str(third), priority=flooding)
    with place.worker(name, environ, concurrency=CONCURRENCY) as worker:
        meter, began = place.meter({WORKER: worker}), time.time()
        committed = asyncio.run(enqueued(environ, two if flooding is not None else [third, *two], seconds))
        waits = picked_up(place, database, two, committed, name)
        used = meter.lap()
    with psycopg.connect(database) as connection:
        left, ended = (
            int(found[0]) if (found := connection.execute(asked, (value,)).fetchone()) else 0
            for asked, value in ((WAITING, third), (ENDED, began))
        )
    if flooding is not None and not left:
        raise BenchError("the flood ran dry: what was measured is no flood")
    place.cpu.add(BENCH, f"{OURS}, {load}", "job", used, ended)
    return waits


async def enqueued(environ: dict[str, str], organizations: list[UUID], seconds: float) -> dict[UUID, float]:
    """Let each organization enqueue at its rate, at random times; when each job was committed."""
    settings = settings_for_tests(DATABASE_URL=environ["DATABASE_URL"], REDIS_URL=environ["REDIS_URL"])
    client = redis_client(settings.redis)
    committed: dict[UUID, float] = {}

    async def one(organization: UUID, at: float) -> None:
        await asyncio.sleep(at)
        async with database.tenant(organization) as session:
            job_id = await enqueue(session, Paced(0), organization_id=organization)
        committed[job_id] = time.time()

    async with Database(settings.database, application_name="bench-fairness") as database:
        waker = Waker(client)
        waker.attach(database.session_info)
        async with asyncio.TaskGroup() as callers:
            for organization in organizations:
                for at in times(seconds):
                    callers.create_task(one(organization, at))
        await waker.close()
    await client.aclose()
    return committed


def times(seconds: float) -> Iterable[float]:
    """When one organization's jobs come, in seconds from now: on the average at its rate, and no two alike."""
    at = SETTLED_SECONDS
    while (at := at + random.expovariate(RATE)) < SETTLED_SECONDS + seconds:
        yield at


def picked_up(
    place: Stand, database: str, organizations: list[UUID], committed: dict[UUID, float], name: str
) -> list[float]:
    """Milliseconds from commit to handler of these organizations' jobs, once all have ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(database, autocommit=True) as connection:
        wanted = connection.execute("SELECT count(*) FROM jobs WHERE organization_id = ANY (%s)", (organizations,))
        [(count,)] = wanted.fetchall()
        while len(began := connection.execute(BEGAN, (organizations,)).fetchall()) < count:
            if time.monotonic() > deadline:
                raise BenchError(f"{len(began)} of {count} jobs began:\n{tail(place.logs / f'{name}.log')}")
            time.sleep(0.2)
    return [max(0.0, (at - committed[job_id]) * 1000) for job_id, at in began]
