"""A job that takes the place of another of its unique key: what comes last is done, once, no later than its bound."""

import asyncio
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, lies, put, submission, take_by_hand, until
from jobs_support import jobs as steered
from keys_support import keyed, look, put_charge

from singr_db import Database, new_id
from singr_db.ending import LOSE, SETTLE
from singr_jobs import (
    Debounce,
    EnqueueError,
    Ingestion,
    JobExistsError,
    NameInUseError,
    Waker,
    cancel_job,
    enqueue,
    explain,
    read_job,
    retry_job,
)
from singr_jobs.keys._promoter import Promoter
from singr_jobs.testing import InMemoryJobs

OTHER = UUID("01920000-0000-7000-8000-0000000000bb")
SOON = datetime.now(UTC) + timedelta(hours=1)
QUIET = {"unique_key": "k", "debounce": Debounce(60, longest=600)}


async def run(db: Database, statement: str, *values: Any) -> list[Any]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []


async def one(db: Database, statement: str, *values: Any) -> Any:
    [(value,)] = await run(db, statement, *values)
    return value


async def detail(db: Database, job_id: UUID) -> Any:
    async with db.tenant(ORGANIZATION) as session:
        return await read_job(session, job_id)


async def holder(db: Database) -> UUID:
    return await one(db, "SELECT job_id FROM job_unique_keys")


async def test_what_waits_is_cancelled_and_names_what_took_its_place(db):
    first = await put(db, "first", unique_key="k", run_at=SOON)
    last = await put(db, "last", unique_key="k", replace=True)

    assert ((await detail(db, first)).status, (await detail(db, first)).replaced_by) == ("cancelled", last)
    assert (await lies(db, first), await lies(db, last)) == ("", "ready")
    assert await holder(db) == last


async def test_a_key_that_is_free_is_taken_as_without_replace(db):
    job = await put(db, unique_key="k", replace=True)
    assert (await lies(db, job), await holder(db)) == ("ready", job)
    assert await put(db, unique_key="k") == job


async def test_the_last_one_of_a_transaction_is_left_of_it(db):
    async with db.tenant(ORGANIZATION) as session:
        ids = [await enqueue(session, Steer(name), organization_id=ORGANIZATION, **QUIET) for name in "abc"]
    assert await run(db, "SELECT id FROM jobs WHERE status = 'pending'") == [(ids[-1],)]


async def test_each_puts_the_time_off_until_the_bound_of_the_first(db):
    await put(db, **QUIET)
    bound = await one(db, "SELECT due_by FROM job_unique_keys")
    second = await put(db, **QUIET)
    assert await one(db, "SELECT due_by FROM job_unique_keys") == bound
    assert await one(db, "SELECT run_at - created_at FROM jobs WHERE id = %s", second) == timedelta(seconds=60)

    near = await one(db, "UPDATE job_unique_keys SET due_by = now() + interval '5 seconds' RETURNING due_by")
    third = await put(db, **QUIET)
    assert await one(db, "SELECT run_at FROM jobs WHERE id = %s", third) == near


async def test_behind_a_bound_that_has_passed_it_is_due_and_keeps_its_turn(db):
    await put(db, **QUIET)
    past = await one(db, "UPDATE job_unique_keys SET due_by = now() - interval '1 hour' RETURNING due_by")
    job = await put(db, **QUIET)
    assert (await lies(db, job), (await detail(db, job)).run_at) == ("ready", past)


async def test_without_a_bound_it_is_put_off_for_as_long_as_others_come(db):
    await put(db, unique_key="k", debounce=Debounce(60))
    await run(db, "UPDATE jobs SET created_at = now() - interval '10 days'")
    job = await put(db, unique_key="k", debounce=Debounce(60))
    assert await lies(db, job) == "later"


@pytest.mark.parametrize(
    ("organization", "job_type"), [(OTHER, "test.steer"), (ORGANIZATION, "test.other")], ids=["tenant", "type"]
)
async def test_a_key_of_another_is_another(db, organization, job_type):
    theirs = await put(db, organization_id=organization, unique_key="k", run_at=SOON)
    await run(db, "UPDATE jobs SET type = %s WHERE id = %s", job_type, theirs)
    await run(db, "UPDATE job_unique_keys SET type = %s", job_type)
    await put(db, unique_key="k", replace=True)
    assert await run(db, "SELECT status FROM jobs WHERE id = %s", theirs) == [("pending",)]


async def in_hand(db: Database, state: str = "working", over_in: float = 60.0) -> tuple[UUID, UUID]:
    """A job that a worker has, and the one that took over its key."""
    first = await put(db, "first", unique_key="k")
    await take_by_hand(db, first, token=7, state=state, over_in=over_in)
    return first, await put(db, "last", **QUIET)


async def test_what_somebody_has_in_hand_runs_on_and_the_last_one_waits_for_its_turn(db):
    first, last = await in_hand(db)
    assert (await lies(db, first), await lies(db, last)) == ("working", "later")
    assert (await detail(db, first)).status == "processing"
    assert await holder(db) == last
    assert await put(db, **QUIET) != last


async def settle(db: Database, job_id: UUID, status: str) -> None:
    given = {"statuses": [status], "outcomes": ["failed"], "errors": ["{}"], "delays": [60.0], "holding": "{}"}
    given |= {"ids": "{" + job_id.hex + "}", "tokens": [7], "spent": [7], "worker": "w"}
    async with db.psycopg.connection() as connection:
        await connection.execute(SETTLE.followed, given)


async def test_what_was_replaced_while_it_ran_is_not_tried_again(db):
    first, last = await in_hand(db)
    await settle(db, first, "pending")
    assert ((await detail(db, first)).status, await lies(db, first)) == ("cancelled", "")
    assert await holder(db) == last


async def test_what_was_replaced_and_fails_for_good_has_failed(db):
    first, last = await in_hand(db)
    await settle(db, first, "failed")
    assert ((await detail(db, first)).status, await holder(db)) == ("failed", last)


@pytest.mark.parametrize("state", ["working", "ahead", "travelling"])
async def test_what_was_replaced_and_lost_with_its_worker_does_not_come_back(db, state):
    first, last = await in_hand(db, state, over_in=-1.0)
    async with db.psycopg.connection() as connection:
        await connection.execute(LOSE, {"limit": 10, "error": "{}", "looked": math.inf})
    assert ((await detail(db, first)).status, await lies(db, first)) == ("cancelled", "")
    assert await holder(db) == last


async def test_after_an_attempt_a_bound_begins_anew(db):
    """Else what fails again and again would be due at once each time, whatever its backoff."""
    first, _ = await in_hand(db)
    del first
    await run(db, "UPDATE job_unique_keys SET due_by = now() - interval '1 hour'")
    await run(db, "UPDATE jobs SET started_at = now() WHERE status = 'pending'")
    assert await lies(db, await put(db, **QUIET)) == "later"


async def test_many_at_once_leave_one_that_waits(db):
    ids = await asyncio.gather(*(put(db, str(number), **QUIET) for number in range(8)))
    [(left,)] = await run(db, "SELECT id FROM jobs WHERE status = 'pending'")
    assert (left in ids, await holder(db) == left) == (True, True)
    assert len(await run(db, "SELECT id FROM jobs WHERE status = 'cancelled' AND replaced_by IS NOT NULL")) == 7


async def test_while_workers_take_them_each_runs_or_is_replaced_and_the_last_one_runs(db, working, pulse: Pulse):
    names = [str(number) for number in range(40)]

    async def all_ended() -> bool:
        return not await run(db, "SELECT 1 FROM jobs WHERE status = 'pending'")

    async with working(concurrency=4):
        for name in names:
            last = await put(db, name, unique_key="k", replace=True)
        await until(all_ended)
    ended = dict(await run(db, "SELECT payload ->> 'name', status FROM jobs"))
    assert sorted(pulse.ran) == sorted(name for name, status in ended.items() if status == "completed")
    assert (await detail(db, last)).status == "completed"
    assert await run(db, "SELECT 1 FROM job_unique_keys") == []


async def test_what_waits_behind_its_concurrency_key_lets_go_of_it(db, waker: Waker):
    promoter = Promoter(db.psycopg, keyed, poll=0.5, waker=waker, due=lambda queues: None)
    await promoter.declare()
    let_through = await put_charge(db, "7", unique_key="k")
    parked = await put_charge(db, "7", unique_key="l")
    await look(promoter)
    assert (await lies(db, let_through), await lies(db, parked)) == ("ready", "parked")

    last = [await put_charge(db, "7", unique_key=key, replace=True) for key in "kl"]
    await look(promoter)
    assert [await lies(db, job) for job in (let_through, parked, *last)] == ["", "", "ready", "parked"]
    assert await run(db, "SELECT job_id FROM job_slots") == [(last[0],)]


async def test_the_same_id_again_changes_nothing(db):
    own = new_id()
    await put(db, job_id=own, **QUIET)
    assert await put(db, job_id=own, **QUIET) == own
    other = await put(db, **QUIET)
    assert await put(db, job_id=own, **QUIET) == own
    assert (await holder(db), await lies(db, other)) == (other, "later")


async def test_what_was_replaced_is_tried_again_once_its_key_is_free(db):
    first = await put(db, unique_key="k")
    last = await put(db, unique_key="k", replace=True)
    async with db.tenant(ORGANIZATION) as session:
        await cancel_job(session, last)
    async with db.platform() as session:
        await retry_job(session, first, organization_id=ORGANIZATION)
    assert ((await detail(db, first)).replaced_by, await lies(db, first), await holder(db)) == (None, "ready", first)


async def test_a_role_that_may_only_enqueue_replaces_nothing(db, enqueuer_session):
    first = await put(db, unique_key="k")
    with pytest.raises(EnqueueError, match="it may only enqueue"):
        async with enqueuer_session() as session:
            await enqueue(session, Steer("b"), organization_id=ORGANIZATION, unique_key="k", replace=True)
    assert await lies(db, first) == "ready"


async def test_explain_says_what_puts_it_off_and_what_took_its_place(db):
    first, last = await put(db, **QUIET), await put(db, **QUIET)
    async with db.tenant(ORGANIZATION) as session:
        waits, replaced = await explain(session, last), await explain(session, first)
    assert (waits.reason, replaced.reason) == ("debounced", "replaced")
    assert "at the latest" in waits.in_words
    assert str(last) in replaced.in_words


WRONG = {
    "replace needs a unique_key": {"replace": True},
    "unique_for needs a unique_key": {"unique_for": 60},
    "debounce excludes run_at": {"unique_key": "k", "debounce": Debounce(1), "run_at": SOON},
    "unique_for excludes debounce": {"unique_key": "k", "debounce": Debounce(1), "unique_for": 60},
    "debounce must be a Debounce": {"unique_key": "k", "debounce": 10},
    "replace must be True or False": {"unique_key": "k", "replace": "payload"},
    "unique_for must be above 0 and at most 86400 seconds": {"unique_key": "k", "unique_for": 86_401},
}


@pytest.mark.parametrize(("words", "options"), WRONG.items(), ids=WRONG)
async def test_options_that_fit_nothing_are_refused_by_name(words, options):
    with pytest.raises(EnqueueError) as refused:
        await enqueue(InMemoryJobs(steered), Steer("a"), organization_id=ORGANIZATION, **options)
    assert words in str(refused.value)


@pytest.mark.parametrize("wrong", [(-1,), (math.nan,), (10, 5)], ids=["before", "no number", "bound before its time"])
def test_a_debounce_of_no_length_is_refused(wrong):
    with pytest.raises(ValueError, match="debounce: "):
        Debounce(*wrong)


async def test_a_request_that_replaced_is_answered_alike_again_and_replaces_nothing_more(db, waker):
    ingestion = Ingestion(db.psycopg, waker, intakes={})
    first = await ingestion.submit(submission("one", unique_key="k", debounce=Debounce(60, 600)))
    second = await ingestion.submit(submission("two", unique_key="k", debounce=Debounce(60, 600)))
    third = await ingestion.submit(submission("three", unique_key="k", debounce=Debounce(60, 600)))

    again = [
        await ingestion.submit(submission(key, unique_key="k", debounce=Debounce(60, 600))) for key in ("one", "two")
    ]
    assert [answer.status for answer in (first, second, third)] == [202] * 3
    assert [answer.body for answer in again] == [first.body, second.body]
    assert await run(db, "SELECT id FROM jobs WHERE status = 'pending'") == [(third.job_id,)]
    told = msgspec.convert(msgspec.json.decode(second.body)["run_at"], datetime)
    assert told == await one(db, "SELECT run_at FROM jobs WHERE id = %s", second.job_id)


async def test_whoever_replaces_one_another_is_each_through_by_two_doors_and_in_transactions(db, waker):
    """Sixteen callers by turns of twenty, half of whom debounce, and two more in transactions of their own."""
    doors = [Ingestion(db.psycopg, waker, intakes={}) for _ in range(2)]
    ways = ({"replace": True}, {"debounce": Debounce(60, 600)})

    async def calls(number: int) -> list[int]:
        how = ways[number // 2 % 2]
        asked = [submission(f"{number}-{turn}", unique_key="k", **how) for turn in range(20)]
        return [(await doors[number % 2].submit(each)).status for each in asked]

    async def transactions() -> list[int]:
        return [202 for _ in range(20) if await put(db, unique_key="k", replace=True)]

    statuses = await asyncio.gather(*(calls(number) for number in range(16)), transactions(), transactions())
    assert statuses == [[202] * 20] * 18
    [(left,)] = await run(db, "SELECT id FROM jobs WHERE status = 'pending'")
    assert await holder(db) == left
    assert await one(db, "SELECT count(*) FROM jobs WHERE replaced_by IS NOT NULL") == 18 * 20 - 1


async def test_of_those_who_ask_for_one_id_at_once_one_has_it_and_the_others_are_told_so(db, waker):
    doors = [Ingestion(db.psycopg, waker, intakes={}) for _ in range(2)]
    own = new_id()
    asked = [doors[number % 2].submit(submission(f"{number}", job_id=own, unique_key="k")) for number in range(16)]
    twins = [door.submit(submission("twin", unique_key="twins", replace=True)) for door in doors * 4]
    *answers, told = await asyncio.gather(*asked, asyncio.gather(*twins), return_exceptions=True)
    assert Counter(getattr(answer, "status", type(answer)) for answer in answers) == {202: 1, JobExistsError: 15}
    assert {(answer.status, answer.body) for answer in told} == {(202, told[0].body)}


async def test_a_name_whose_turn_does_not_come_in_time_is_told_to_be_in_use(db, waker, monkeypatch):
    monkeypatch.setattr("singr_jobs.intake._ingest._CHANGES_HANDS_S", 0.0)
    with pytest.raises(NameInUseError, match="one after the other"):
        await Ingestion(db.psycopg, waker, intakes={}).submit(submission("one", unique_key="k", replace=True))
    assert await run(db, "SELECT FROM jobs") == await run(db, "SELECT FROM job_unique_keys") == []


async def test_jobs_in_memory_are_replaced_by_the_same_rules():
    memory = InMemoryJobs(steered, resources={Pulse: Pulse()})
    began = memory.now

    async def add(name: str) -> UUID:
        return await enqueue(
            memory, Steer(name), organization_id=ORGANIZATION, unique_key="k", debounce=Debounce(8, 20)
        )

    ids = []
    for name in "abcd":
        ids.append(await add(name))
        memory.advance(6)
    assert [job.run_at - began for job in memory.all] == [timedelta(seconds=at) for at in (8, 14, 20, 20)]
    assert [job.status for job in memory.all] == ["cancelled"] * 3 + ["pending"]
    assert [job.replaced_by for job in memory.all] == [*ids[1:], None]
    assert [job.job for job in await memory.run_due()] == [Steer("d")]
    assert await add("e") not in ids


async def test_jobs_in_memory_that_are_replaced_while_they_run_are_not_tried_again():
    memory = InMemoryJobs(steered, resources={Pulse: Pulse()})
    first = await enqueue(memory, Steer("a", ("fail",)), organization_id=ORGANIZATION, unique_key="k")
    memory.all[0].status = memory.all[0].status.PROCESSING
    await enqueue(memory, Steer("b"), organization_id=ORGANIZATION, unique_key="k", replace=True)
    memory.all[0].status = memory.all[0].status.PENDING
    await memory.run_due()
    assert [(job.id == first, job.status) for job in memory.all] == [(True, "cancelled"), (False, "completed")]
