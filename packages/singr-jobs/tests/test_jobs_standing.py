"""How queues stand: counted at once where little waits, by the last count where much does, and told in words."""

from typing import Any

import pytest
from jobs_support import ORGANIZATION, jobs, put, put_later, take_by_hand, until
from keys_support import put_charge

from singr_db import Database
from singr_jobs import JobObserver, Queue, redis_client
from singr_jobs.maintenance._counter import Counter
from singr_jobs.maintenance._presence import Presence
from singr_jobs.maintenance._served import Served
from singr_jobs.queues import list_workers, pause_queue, queue_health, queues_health, read_queue
from singr_jobs.running._observer import GuardedObserver

MANY = "INSERT INTO job_ready SELECT 'default', %s, 1, now() - interval '1 hour', gen_random_uuid(), 'test.steer'"


@pytest.fixture
def asked(db: Database):
    """`await asked(read_queue, "sms")` in a transaction of its own."""

    async def ask(call: Any, *arguments: Any, **options: Any) -> Any:
        async with db.platform() as session:
            return await call(session, *arguments, **options)

    return ask


@pytest.fixture
def presence(db: Database) -> Presence:
    return Presence(db.psycopg, name="one", queues=["default"], types=jobs.runnable, in_hand=lambda: {"default": 3})


@pytest.fixture
async def counter(db: Database, settings: Any):
    client = redis_client(settings.redis)
    served = Served(client, queues=["default"], types=jobs.runnable)
    yield Counter(db.psycopg, served, queues=["default"], observer=GuardedObserver(JobObserver()))
    await client.aclose()


async def test_a_small_queue_is_counted_as_it_is_asked_for(db, asked):
    taken = await put(db)
    await put(db)
    await put(db, run_at=(await put_at(db, 3600)))
    await take_by_hand(db, taken)
    told = await asked(read_queue, Queue.DEFAULT)
    assert told.jobs == {"waiting": 1, "delayed": 1, "active": 1}
    assert (told.oldest_due_at is None, told.counted_at is None, told.workers) == (False, False, 0)


async def test_jobs_with_a_key_are_counted_as_they_are_asked_for(db, asked):
    await put_charge(db, "a")
    async with db.psycopg.connection() as connection:
        await connection.execute(
            "INSERT INTO queue_counts (queue, state, type, jobs) VALUES ('default', 'parked', 'test.charge', 24)"
        )
        told = await asked(read_queue, Queue.DEFAULT)
        assert (told.jobs, told.oldest_due_at is None) == ({"waiting": 1, "delayed": 0, "active": 0}, False)
        await connection.execute(
            "WITH met AS (DELETE FROM job_keyed RETURNING *)"
            " INSERT INTO job_parked (organization_id, type, key, priority, run_at, id, queue)"
            " SELECT organization_id, type, key, priority, run_at, id, queue FROM met"
        )
        told = await asked(read_queue, Queue.DEFAULT)
    assert told.jobs == {"waiting": 0, "delayed": 0, "active": 0, "parked": 1}


async def put_at(db: Database, seconds: int) -> Any:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute("SELECT now() + %s * interval '1 second'", (seconds,))
        [(at,)] = await cursor.fetchall()
        return at


async def test_of_a_large_queue_the_last_count_is_told_with_its_moment(db, asked, counter):
    async with db.psycopg.connection() as connection:
        await connection.execute(f"{MANY} FROM generate_series(1, 1500)", (ORGANIZATION,))
        before = (await asked(read_queue, Queue.DEFAULT)).jobs["waiting"]
        await counter.work()
        told = await asked(read_queue, Queue.DEFAULT)
        [(counted_at,)] = await (await connection.execute("SELECT max(counted_at) FROM queue_counts")).fetchall()
    assert before == 1001, "at least"
    assert (told.jobs["waiting"], told.counted_at) == (1500, counted_at)


async def test_a_count_that_is_dear_is_not_taken_again_before_its_time(db, counter):
    await put(db)
    await counter.work()
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE job_gates SET held_until = now() + interval '1 hour' WHERE name = '*counts'")
        await put(db)
        await counter.work()
        assert await (await connection.execute("SELECT sum(jobs) FROM queue_counts")).fetchall() == [(1,)]
        await connection.execute("UPDATE job_gates SET held_until = now() WHERE name = '*counts'")
        await counter.work()
        assert await (await connection.execute("SELECT sum(jobs) FROM queue_counts")).fetchall() == [(2,)]


async def test_a_worker_is_listed_while_it_runs_and_gone_once_it_has_stopped(db, working, asked):
    async with working():

        async def there() -> bool:
            return bool(await asked(list_workers))

        await until(there)
        [worker] = await asked(list_workers)
        assert (worker.queues, worker.in_hand, worker.silent) == (("default",), {"default": 0}, False)
        assert "test.steer" in worker.types
    assert await asked(list_workers) == ()


async def test_a_worker_that_was_killed_is_silent_and_serves_nothing(db, asked, presence):
    await presence.work()
    assert (await asked(queue_health, Queue.DEFAULT)).healthy
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE workers SET seen_at = now() - interval '8 seconds'")
    [worker] = await asked(list_workers)
    assert (worker.silent, worker.in_hand) == (True, {"default": 3})
    await put(db)
    told = await asked(queue_health, Queue.DEFAULT)
    assert [problem.code for problem in told.problems] == ["no_workers"]


async def test_what_is_wrong_with_a_queue_is_said_in_words(db, asked, presence, counter):
    await presence.work()
    await put_later(db, "a")
    await counter.work()
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE job_ready SET run_at = now() - interval '700 seconds'")
    await asked(pause_queue, Queue.DEFAULT, by="ada", reason="the provider is down")
    told = await asked(queue_health, Queue.DEFAULT)
    assert [problem.code for problem in told.problems] == ["paused", "oldest_waits", "types_unknown"]
    assert "by ada: the provider is down" in told.problems[0].in_words
    assert told.problems[1].in_words.endswith("300 s are allowed.")
    assert told.problems[2].in_words == "No worker knows the type of 1 due jobs: 'test.later'."
    assert [problem.code for problem in (await asked(queue_health, "default", oldest_within=900)).problems] == [
        "paused",
        "types_unknown",
    ]
    every = await asked(queues_health)
    assert [one.queue for one in every.queues if not one.healthy] == ["default"]


async def test_without_redis_workers_are_known_by_their_rows(db, counter, presence):
    newer = Presence(db.psycopg, name="newer", queues=["default"], types=lambda: ["test.later"], in_hand=dict)
    await newer.work()
    await put_later(db, "a")
    await counter.work()
    await counter.work()
    assert counter.unknown == {}
