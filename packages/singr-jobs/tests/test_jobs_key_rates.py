"""How fast jobs of a key start: so many in a time, and none while the key is held back."""

import asyncio

import psycopg
import pytest
from jobs_support import ORGANIZATION, Pulse, lies, until
from keys_support import Call, Charge, at, keyed, look, look_at_all, put_call, put_charge, rows

from singr_db import Database
from singr_db.ending import ALONE, SUSPECT
from singr_jobs import Queue, cancel_job, enqueue, explain
from singr_jobs.keys._promoter import Promoter
from singr_jobs.running._endings import Ended
from singr_jobs.testing import InMemoryJobs


async def test_so_many_of_a_key_start_within_its_rate(db: Database, promoter: Promoter, working, pulse):
    for number in range(4):
        await put_call(db, "twilio", str(number))
    async with working(jobs=keyed):
        await until(lambda: len(pulse.ran) == 2)
        await until(lambda: counted(db, 2))
    await look_at_all(promoter)
    assert await rows(db, "SELECT count(*) FROM job_parked") == [(2,)]


async def test_a_rate_lets_more_through_once_its_time_is_over(db: Database, promoter: Promoter, working, pulse):
    for number in range(4):
        await put_call(db, "twilio", str(number))
    async with working(jobs=keyed):
        await until(lambda: len(pulse.ran) == 2)
        await until(lambda: counted(db, 2))
        await rows(db, "UPDATE job_starts SET until = now()")
        await until(lambda: len(pulse.ran) == 4)


async def test_a_handler_that_is_refused_holds_its_whole_key_back(db: Database, promoter: Promoter, working, pulse):
    refused = await put_charge(db, "7", "refused", "hold")
    second = await put_charge(db, "7", "second")
    other = await put_charge(db, "8", "other")
    async with working(jobs=keyed):
        await until(lambda: holds(db, refused))
        await until(lambda: at(db, other, ""))
        await look_at_all(promoter)
    assert sorted(pulse.ran) == ["other", "refused"]
    assert await lies(db, second) == "parked"


@pytest.mark.parametrize("rank", [1, SUSPECT, ALONE], ids=["ordinary", "suspect", "alone"])
async def test_what_was_let_through_and_has_not_begun_is_held_back_too(
    db: Database, promoter: Promoter, working, pulse, rank: int
):
    await rows(db, "UPDATE job_limits SET set_concurrency = 2 WHERE type = 'test.charge'")
    refused = await put_charge(db, "7", "refused", "hold")
    second = await put_charge(db, "7", "second", queue=Queue.EMAIL)  # which nobody serves here
    await look(promoter)
    await rows(db, "UPDATE job_ready SET priority = %s WHERE id = %s", rank, second)
    async with working(jobs=keyed):
        await until(lambda: holds(db, refused))
    assert pulse.ran == ["refused"]
    assert await lies(db, second) == "parked"


async def test_what_a_worker_has_taken_ahead_is_held_back_too_and_pays_no_attempt(
    db: Database, promoter: Promoter, working, pulse
):
    await rows(db, "UPDATE job_limits SET set_concurrency = 100 WHERE type = 'test.charge'")
    refused = await put_charge(db, "7", "refused", "hold")
    ahead = [await put_charge(db, "7", str(number)) for number in range(5)]
    await put_charge(db, "8", "other")
    await look(promoter)
    async with working(jobs=keyed, concurrency=1) as worker:
        worker._runner._lines["default"]._seconds = 1e-4  # as after many quick ones: all are taken at once
        await until(lambda: "other" in pulse.ran)
        await until(lambda: holds(db, refused))
        for job in ahead:
            await until(lambda job=job: at(db, job, "parked"))
        assert worker.in_hand() == {"default": 0}
        assert pulse.ran == ["refused", "other"]
        assert await rows(db, "SELECT count(*) FROM job_slots") == [(0,)]
        await rows(db, "UPDATE job_key_holds SET until = now()")
        await until(lambda: len(pulse.ran) == 7)  # the refused one waits for its own time
    assert await rows(db, "SELECT DISTINCT attempt FROM jobs WHERE id = ANY (%s)", ahead) == [(1,)]


@pytest.fixture
async def kept(db: Database, promoter: Promoter, working, pulse, monkeypatch):
    """A worker that keeps a job back, since the outcome that holds its key back cannot be written; and the job."""
    await rows(db, "UPDATE job_limits SET set_concurrency = 100 WHERE type = 'test.charge'")
    refused = await put_charge(db, "7", "refused", "hold")
    job = await put_charge(db, "7", "second")
    await look(promoter)
    async with working(jobs=keyed, concurrency=1, lease=60.0, grace=0.1) as worker:
        runner = worker._runner
        runner._lines["default"]._seconds = 1e-4
        write_once = runner.outcomes._write_once

        async def write(batch: list[Ended]) -> None:
            if not worker.may_write:
                raise psycopg.OperationalError("the server went away")
            await write_once(batch)

        monkeypatch.setattr(runner.outcomes, "_write_once", write)
        worker.may_write = False
        await until(lambda: refused in runner._held_keys._kept, what="the key is held back")
        assert [one.id for one in runner._jobs_in_hand()] == [refused, job]
        yield worker, job
    assert pulse.ran == ["refused"]


async def test_what_is_kept_back_when_the_worker_stops_goes_back_uncounted(db: Database, kept):
    worker, job = kept
    stopping = asyncio.create_task(worker.stop())
    await until(lambda: at(db, job, "ready"))
    worker.may_write = True
    await stopping
    assert await at(db, job, "parked")
    assert await rows(db, "SELECT attempt FROM jobs WHERE id = %s", job) == [(0,)]


async def test_what_is_cancelled_while_it_is_kept_back_ends(db: Database, kept, reaches):
    worker, job = kept
    async with db.tenant(ORGANIZATION) as session:
        await cancel_job(session, job)
    worker._runner._cancel(job)
    worker.may_write = True
    await reaches(job, "cancelled")


async def test_what_comes_into_hand_of_a_key_that_was_held_back_just_now_is_kept_too(
    db: Database, kept, promoter: Promoter
):
    worker, _ = kept
    late = await put_charge(db, "7", "late")
    await until(lambda: worker._runner.holds(late), what="it is taken")
    worker.may_write = True
    await until(lambda: at(db, late, "parked"))


async def test_a_key_that_was_held_back_goes_on_when_that_is_over(db: Database, promoter: Promoter, working, pulse):
    refused = await put_charge(db, "7", "refused", "hold")
    await put_charge(db, "7", "second")
    async with working(jobs=keyed):
        await until(lambda: holds(db, refused))
        await rows(db, "UPDATE job_key_holds SET until = now()")
        await until(lambda: pulse.ran == ["refused", "second"])


async def test_a_parked_job_says_that_its_key_is_held_back(db: Database, promoter: Promoter):
    await put_charge(db, "7")
    second = await put_charge(db, "7")
    await look(promoter)
    await rows(
        db,
        "INSERT INTO job_key_holds VALUES (%s, 'test.charge', '7', now() + interval '1 hour')",
        ORGANIZATION,
    )
    async with db.tenant(ORGANIZATION) as session:
        assert (await explain(session, second)).reason == "key_held"


async def test_in_memory_so_many_of_a_key_start_within_its_rate(pulse):
    memory = InMemoryJobs(keyed, resources={Pulse: pulse})
    for number in range(3):
        await enqueue(memory, Call("twilio", str(number)), organization_id=ORGANIZATION)
    await memory.run_due()
    assert pulse.ran == ["0", "1"]
    memory.advance(60)
    await memory.run_due()
    assert pulse.ran == ["0", "1", "2"]


async def test_in_memory_a_handler_that_is_refused_holds_its_whole_key_back(pulse):
    memory = InMemoryJobs(keyed, resources={Pulse: pulse})
    await enqueue(memory, Charge("7", "refused", "hold"), organization_id=ORGANIZATION)
    await enqueue(memory, Charge("7", "second"), organization_id=ORGANIZATION)
    await enqueue(memory, Charge("8", "other"), organization_id=ORGANIZATION)
    await memory.run_due()
    assert pulse.ran == ["refused", "other"]
    await memory.run_until_done()
    assert sorted(pulse.ran[2:]) == ["refused", "second"]


async def holds(db: Database, job) -> bool:
    """Whether that job waits for another try, and its key with it."""
    held = await rows(db, "SELECT count(*) FROM job_key_holds")
    return held == [(1,)] and await lies(db, job) == "keyed"


async def counted(db: Database, count: int) -> bool:
    return await rows(db, "SELECT count(*) FROM job_starts") == [(count,)]
