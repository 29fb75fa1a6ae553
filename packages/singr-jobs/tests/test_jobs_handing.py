"""What a process took and cannot begin soon, because the job before takes its time."""

import asyncio
import socket

import pytest
from jobs_support import ORGANIZATION, Steer, lies, put, take_by_hand, until

from singr_config import RedisSettings, Secret
from singr_db import Database
from singr_jobs import Queue, enqueue, redis_transport
from singr_jobs.taking._tickets import Ticket

LONG = 60.0


def nobody() -> RedisSettings:
    """A Redis that nobody listens for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return RedisSettings(url=Secret(f"redis://127.0.0.1:{free.getsockname()[1]}/0"))


@pytest.mark.parametrize("redis", ["with redis", "without redis"])
async def test_what_waits_behind_a_slow_job_runs_elsewhere(db: Database, settings, working, pulse, redis):
    """Quick jobs made it take ahead; then one came that blocks its only place."""
    where = settings.redis if redis == "with redis" else nobody()
    async with working(concurrency=1, lease=LONG, redis=where):
        for number in range(3):
            await put(db, f"quick-{number}")
        await until(lambda: len(pulse.ran) == 3, what="it learns that jobs are quick")
        async with db.tenant(ORGANIZATION) as session:
            await enqueue(session, Steer("slow", ("wait",)), organization_id=ORGANIZATION)
            behind = await enqueue(session, Steer("behind"), organization_id=ORGANIZATION)

        async def taken() -> bool:
            return "slow" in pulse.ran and await lies(db, behind) in {"ahead", "working"}

        await until(taken, what="both are here")
        async with working(concurrency=1, lease=LONG, redis=where):
            await until(lambda: "behind" in pulse.ran, what="it ran elsewhere")
        async with db.psycopg.connection() as connection:
            query = "SELECT status, attempt FROM jobs WHERE id = %s"
            assert await (await connection.execute(query, (behind,))).fetchone() == ("completed", 1)


async def test_a_ticket_that_gets_lost_on_its_way_costs_no_attempt(db: Database, waker, working, reaches):
    job_id = await put(db)
    await take_by_hand(db, job_id, state="travelling", over_in=-1.0)
    async with working():
        job = await reaches(job_id, "completed")
    assert (job.attempt, job.attempts) == (1, [])


async def test_a_ticket_that_comes_twice_begins_its_jobs_once(db: Database, waker, working, pulse, settings):
    job_id = await put(db, "a", "wait")
    await take_by_hand(db, job_id, token=7, state="travelling")
    async with working(lease=LONG) as worker:
        transport = redis_transport(settings.redis)
        await asyncio.to_thread(transport.send, [Ticket(Queue.DEFAULT, 7, 1)] * 2)
        await until(lambda: pulse.ran == ["a"])
        await until(lambda: worker.in_hand() == {"default": 1}, what="the second names nothing")
        assert pulse.ran == ["a"]
