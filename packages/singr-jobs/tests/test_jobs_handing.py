"""What a process took and cannot begin soon, because the job before takes its time."""

import asyncio
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from jobs_support import ORGANIZATION, Steer, lies, put, take_by_hand, until

from singr_config import DatabaseSettings, RedisSettings, Secret
from singr_db import Database, upgrade
from singr_dev.testing import SharedServers, clone, drop
from singr_jobs import Queue, enqueue, redis_client, redis_transport
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


@pytest.fixture
async def other(shared_servers: SharedServers, database_url: str) -> AsyncIterator[Database]:
    """The database of another installation, which shares its Redis with ours."""
    admin, name = shared_servers.postgres.url("postgres"), f"{urlsplit(database_url).path[1:]}_other"
    clone(admin, shared_servers.template(upgrade), name)
    url = Secret(shared_servers.postgres.url(name))
    async with Database(DatabaseSettings(url=url, pool_size=5), application_name="singr-tests") as database:
        yield database
    drop(admin, name)


async def ended(db: Database, job_id) -> tuple[object, ...] | None:
    """How far a job came, and how many attempts its history shows."""
    query = "SELECT status, attempt, (SELECT count(*) FROM job_attempts WHERE job_id = id) FROM jobs WHERE id = %s"
    async with db.psycopg.connection() as connection:
        return await (await connection.execute(query, (job_id,))).fetchone()


async def arrive(db: Database, settings, worker, reaches, token: int) -> None:
    """Send a ticket, and once it was fetched another one, whose job says that both have arrived."""
    last = await put(db, "last")
    await take_by_hand(db, last, token=99, state="travelling")
    transport = redis_transport(settings.redis)
    await asyncio.to_thread(transport.send, [Ticket(Queue.DEFAULT, token, 1)])
    async with redis_client(settings.redis) as client:

        async def is_fetched() -> bool:
            return not await client.exists("singr:tickets:singr.default")

        await until(is_fetched, what="it is fetched")
    await asyncio.to_thread(transport.send, [Ticket(Queue.DEFAULT, 99, 1)])
    await reaches(last, "completed")
    await until(lambda: worker.in_hand() == {"default": 0}, what="nothing of the other counts as in hand")


async def test_a_ticket_that_arrives_after_its_jobs_were_swept_begins_nothing(db, settings, working, reaches, pulse):
    job_id = await put(db)
    await take_by_hand(db, job_id, token=7, state="travelling", over_in=-1.0)
    async with working(lease=LONG) as worker:
        await reaches(job_id, "completed")
        await arrive(db, settings, worker, reaches, 7)
    assert pulse.ran == ["a", "last"]
    assert await ended(db, job_id) == ("completed", 1, 0)


async def test_a_ticket_that_arrives_after_another_has_accepted_it_begins_nothing(
    db, settings, working, reaches, pulse
):
    job_id = await put(db)
    await take_by_hand(db, job_id, token=7, state="ahead", worker="another")
    async with working(lease=LONG) as worker:
        await arrive(db, settings, worker, reaches, 7)
    assert pulse.ran == ["last"]
    assert await lies(db, job_id) == "ahead"


async def test_a_ticket_of_another_database_begins_nothing_and_costs_its_job_no_attempt(
    db, other, settings, working, reaches, pulse
):
    """Each takes what it finds in the Redis that they share: a token of 63 random bits is known in one database."""
    theirs = await put(other, "theirs")
    await take_by_hand(other, theirs, token=7, state="travelling")
    async with working(lease=LONG) as worker:
        await arrive(db, settings, worker, reaches, 7)
    assert pulse.ran == ["last"]
    assert await lies(other, theirs) == "travelling"
    async with other.psycopg.connection() as connection:
        await connection.execute("UPDATE job_tickets SET leased_until = now() - interval '1 second'")
    async with working(database=other):

        async def is_done() -> bool:
            return await ended(other, theirs) == ("completed", 1, 0)

        await until(is_done, what="it waited again once its lease was over, and was done in its first attempt")
