"""How fast jobs of a key start: so many in a time, and none while the key is held back."""

from jobs_support import ORGANIZATION, Pulse, lies, until
from keys_support import Call, Charge, at, keyed, look, look_at_all, put_call, put_charge, rows

from singr_db import Database
from singr_jobs import Queue, enqueue, explain
from singr_jobs.keys._promoter import Promoter
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


async def test_what_was_let_through_and_has_not_begun_is_held_back_too(
    db: Database, promoter: Promoter, working, pulse
):
    await rows(db, "UPDATE job_limits SET set_concurrency = 2 WHERE type = 'test.charge'")
    refused = await put_charge(db, "7", "refused", "hold")
    second = await put_charge(db, "7", "second", queue=Queue.EMAIL)  # which nobody serves here
    await look(promoter)
    async with working(jobs=keyed):
        await until(lambda: holds(db, refused))
    assert pulse.ran == ["refused"]
    assert await lies(db, second) == "parked"


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
