"""Why a job waits for its key is said by the limit as it is now, whoever changed it meanwhile."""

from uuid import UUID

from jobs_support import ORGANIZATION
from keys_support import look, put_call, put_charge, rows

from singr_db import Database
from singr_jobs import Explanation, explain, set_limits
from singr_jobs.keys._promoter import Promoter


async def told(db: Database, job_id: UUID) -> Explanation:
    async with db.tenant(ORGANIZATION) as session:
        return await explain(session, job_id)


async def limit(db: Database, concurrency: int) -> None:
    async with db.platform() as session:
        await set_limits(session, "test.charge", concurrency=concurrency)


async def parked(db: Database, promoter: Promoter, *, behind: int) -> UUID:
    """A job behind so many of its key that were let through."""
    await limit(db, behind)
    jobs = [await put_charge(db, "7") for _ in range(behind + 1)]
    await look(promoter)
    return jobs[-1]


async def test_a_limit_that_is_reached_names_who_runs(db: Database, promoter: Promoter):
    why = await told(db, await parked(db, promoter, behind=2))
    assert (why.reason, "one of 2 running jobs" in why.in_words) == ("concurrency_key", True)


async def test_a_limit_that_was_lowered_says_how_many_run_and_may(db: Database, promoter: Promoter):
    job = await parked(db, promoter, behind=3)
    await limit(db, 1)
    why = await told(db, job)
    assert why.in_words.startswith("3 of its key run, and 1 may at once, as an operator has set")
    assert why.reason == "concurrency_key"


async def test_a_limit_of_none_says_that_nothing_may_run(db: Database, promoter: Promoter):
    job = await parked(db, promoter, behind=1)
    await limit(db, 0)
    await rows(db, "DELETE FROM job_slots")
    assert (await told(db, job)).in_words.startswith("None of its key may run, as an operator has set")


async def test_a_type_that_no_worker_has_declared_says_that_one_must_start(db: Database, promoter: Promoter):
    await rows(db, "DELETE FROM job_limits")
    job = await put_charge(db, "7")
    await look(promoter)
    assert (await told(db, job)).reason == "limits_unknown"


async def test_a_rate_that_what_runs_has_used_up_is_told(db: Database, promoter: Promoter):
    jobs = [await put_call(db, "twilio") for _ in range(3)]
    await look(promoter)
    why = await told(db, jobs[-1])
    assert (why.reason, "2 may start in 60 s" in why.in_words) == ("key_rate", True)


async def test_a_key_that_has_room_again_says_that_a_worker_comes(db: Database, promoter: Promoter):
    job = await parked(db, promoter, behind=1)
    await limit(db, 5)
    assert (await told(db, job)).reason == "key_free"
