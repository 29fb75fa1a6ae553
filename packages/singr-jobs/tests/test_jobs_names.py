"""Jobs of a type that a worker does not know: row R23."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from jobs_support import ORGANIZATION, Later, lies, newer, put, put_later, take_by_hand, until
from jobs_support import jobs as old

from singr_db import Database, new_id
from singr_db.ending import ALONE
from singr_jobs import Jobs, Queue, redis_transport
from singr_jobs.taking._tickets import Ticket


async def rows(db: Database, ids: Sequence[UUID]) -> list[tuple[str, int, object, object]]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute("SELECT status, attempt, worker, error FROM jobs WHERE id = ANY (%s)", (ids,))
        return await cursor.fetchall()


UNTOUCHED = ("pending", 0, None, None)


async def test_a_job_of_an_unknown_type_waits_untouched_for_a_worker_that_knows_it(db, waker, working, reaches):
    [job_id] = await put_later(db, "a")
    async with working(concurrency=1, jobs=old):
        await reaches(await put(db, "behind it"), "completed")
        assert await rows(db, [job_id]) == [UNTOUCHED]
        async with working(jobs=newer):
            job = await reaches(job_id, "completed")
    assert (job.attempt, job.attempts) == (1, [])


async def test_a_type_that_is_declared_without_its_handler_is_unknown_too(db, waker, working, reaches):
    [job_id] = await put_later(db, "a")
    elsewhere = Jobs()
    elsewhere.declare(Later)
    async with working(concurrency=1, jobs=elsewhere.include(old)):
        await reaches(await put(db, "behind it"), "completed")
        assert await rows(db, [job_id]) == [UNTOUCHED]


async def test_5000_unknown_jobs_in_front_hold_up_nothing_behind_them(db, waker, working, reaches):
    ids = [new_id() for _ in range(5000)]
    async with db.psycopg.connection() as connection:
        await connection.execute(
            "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout)"
            " SELECT id, %s, 'test.later', 'default', '{}', 3, 1, 1 FROM unnest(%s::uuid[]) AS t (id)",
            (ORGANIZATION, ids),
        )
    known = [await put(db, f"known-{number}") for number in range(20)]
    async with working(jobs=old):
        for job_id in known:
            await reaches(job_id, "completed")
    assert set(await rows(db, ids)) == {UNTOUCHED}


async def test_an_unknown_job_that_was_lost_twice_keeps_no_other_suspect_from_its_turn(db, waker, working, reaches):
    [unknown] = await put_later(db, "a")
    known = await put(db, "b")
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE jobs SET solo = true WHERE id = ANY (%s)", ([unknown, known],))
        await connection.execute("UPDATE job_ready SET priority = %s", (ALONE,))
    async with working(jobs=old):
        await reaches(known, "completed")
    assert await rows(db, [unknown]) == [UNTOUCHED]


async def test_a_ticket_at_a_process_that_does_not_know_its_job_costs_no_attempt(db, waker, working, reaches, settings):
    """It waits again, for whoever takes it."""
    [job_id] = await put_later(db, "a")
    await take_by_hand(db, job_id, token=7, state="travelling")

    async def is_back() -> bool:
        return await lies(db, job_id) == "ready"

    async with working(jobs=old, lease=30.0) as worker:
        await asyncio.to_thread(redis_transport(settings.redis).send, [Ticket(Queue.DEFAULT, 7, 1)])
        await until(is_back, what="it went back")
        assert await rows(db, [job_id]) == [UNTOUCHED]
        assert worker.in_hand() == {"default": 0}
        async with working(jobs=newer, lease=30.0):
            assert (await reaches(job_id, "completed")).attempt == 1


async def test_old_and_new_worker_side_by_side_burn_no_attempt_of_a_new_type(db, waker, working, pulse):
    """R23: the new release's tickets reach the old one, too."""
    number = 40
    async with working(jobs=old), working(jobs=newer):
        names = [f"later-{at}" for at in range(number)]
        for at in range(0, number, 20):
            await put_later(db, *names[at : at + 20])
            await put(db, f"known-{at}")
        await until(lambda: len(pulse.ran) >= number + number // 20, what="all ran")
    assert sorted(name for name in pulse.ran if name.startswith("later")) == sorted(names), "each once"
    assert {context.attempt for context in pulse.contexts} == {1}
