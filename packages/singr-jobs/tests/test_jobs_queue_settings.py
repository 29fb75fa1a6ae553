"""Queues are paused, resumed, limited and weighed while they run; a limit is never exceeded, whoever takes."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from jobs_support import ORGANIZATION, Steer, jobs, lies, put, until

from singr_db import Database, new_id
from singr_db.tables import Organization
from singr_jobs import Queue, QueueOptions, Rate, enqueue
from singr_jobs.queues import (
    RATES,
    QueueSettingError,
    QueueUnknownError,
    pause_queue,
    read_queue_settings,
    resume_queue,
    set_queue,
)
from singr_jobs.running import _line
from singr_jobs.taking._claims import Claimant, Shares, Taken, take, take_apart
from singr_jobs.testing import InMemoryJobs

FIRST = UUID(int=0)
EVERY = Claimant("by-hand", 60.0, jobs.runnable())


async def change(db: Database, call: Any, *arguments: Any, **options: Any) -> Any:
    """One change in a transaction of its own."""
    async with db.platform() as session:
        return await call(session, *arguments, **options)


@pytest.fixture
async def other(db: Database, organization: UUID) -> UUID:
    """A second organization."""
    other = new_id()
    async with db.platform() as session:
        session.add(Organization(id=other, name="Other", slug="other"))
    return other


@pytest.fixture
def taking(db: Database):
    """`await taking(4, ruled=True)`: what a worker would take now."""
    tokens = iter(range(1, 1000))

    async def of(room: int, *, ruled: bool = True, **options: Any) -> Taken:
        return await take(
            db.psycopg,
            Queue.DEFAULT,
            EVERY,
            token=next(tokens),
            room=room,
            places=room,
            after=FIRST,
            organizations=200,
            ruled=ruled,
            **options,
        )

    return of


def whose(taken: Taken) -> Counter[UUID]:
    return Counter(job.organization_id for job in taken.jobs)


async def test_nothing_is_taken_from_a_paused_queue_until_it_is_resumed(db, working, pulse, reaches):
    told = await change(db, pause_queue, Queue.DEFAULT, reason="the provider is down", by="ada")
    assert (told.paused.by, told.paused.reason) == ("ada", "the provider is down")
    async with working(queues={Queue.DEFAULT: QueueOptions(), Queue.SMS: QueueOptions()}):
        job = await put(db)
        elsewhere = await put(db, queue=Queue.SMS)
        await reaches(elsewhere, "completed")
        assert await lies(db, job) == "ready"
        assert (await change(db, resume_queue, Queue.DEFAULT)).paused is None
        await reaches(job, "completed")


async def test_from_the_commit_of_a_pause_on_nothing_is_taken_by_whoever_has_not_heard_of_it(db, taking):
    await put(db)
    await change(db, pause_queue, Queue.DEFAULT)
    unaware = await taking(1, ruled=False)
    assert (unaware.jobs, unaware.ruled) == ([], True)
    assert (await taking(1)).jobs == []
    assert await take_apart(db.psycopg, Queue.DEFAULT, EVERY, token=77, priority=8, room=1) == []
    await change(db, resume_queue, Queue.DEFAULT)
    aware = await taking(1)
    assert (aware.jobs, aware.ruled) == ([], False)
    assert len((await taking(1, ruled=False)).jobs) == 1


async def test_one_organization_is_paused_and_the_others_go_on(db, organization, other, taking):
    await put(db)
    theirs = await put(db, organization_id=other)
    await change(db, pause_queue, Queue.DEFAULT, organization_id=ORGANIZATION)
    assert [job.id for job in (await taking(10)).jobs] == [theirs]


async def test_what_was_lost_with_its_worker_waits_while_its_queue_is_paused_or_full(db, organization, taking):
    jobs_lost = [await put(db) for _ in range(3)]
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE job_ready SET priority = 8 WHERE id = ANY (%s)", (jobs_lost,))
    taking_apart = {"priority": 8, "room": 5, "ruled": True}
    await change(db, pause_queue, Queue.DEFAULT)
    assert await take_apart(db.psycopg, Queue.DEFAULT, EVERY, token=91, **taking_apart) == []
    await change(db, resume_queue, Queue.DEFAULT)
    await change(db, set_queue, Queue.DEFAULT, organization_id=ORGANIZATION, concurrency=1)
    none = Shares({}, 0)
    assert await take_apart(db.psycopg, Queue.DEFAULT, EVERY, token=94, shares=none, **taking_apart) == []
    assert len(await take_apart(db.psycopg, Queue.DEFAULT, EVERY, token=92, **taking_apart)) == 1
    assert await take_apart(db.psycopg, Queue.DEFAULT, EVERY, token=93, **taking_apart) == []


async def test_limits_of_a_queue_and_of_organizations_hold_together(db, organization, other, taking):
    for _ in range(6):
        await put(db)
        await put(db, organization_id=other)
    await change(db, set_queue, Queue.DEFAULT, concurrency=5, concurrency_per_organization=3)
    await change(db, set_queue, Queue.DEFAULT, organization_id=other, concurrency=1)
    assert whose(await taking(10)) == {ORGANIZATION: 3, other: 1}
    assert whose(await taking(10)) == {}
    await change(db, set_queue, Queue.DEFAULT, organization_id=other, concurrency=4)
    assert whose(await taking(10)) == {other: 1}, "five in all"
    await change(db, set_queue, Queue.DEFAULT, concurrency=None)
    assert whose(await taking(10)) == {other: 2}
    await change(db, set_queue, Queue.DEFAULT, concurrency=4)
    assert whose(await taking(10)) == {}, "lowered under what is in hand"


async def test_what_has_ended_on_a_ticket_counts_no_more(db, organization, taking):
    for _ in range(4):
        await put(db)
    await change(db, set_queue, Queue.DEFAULT, concurrency=2)
    first = await taking(10)
    assert len(first.jobs) == 2
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE jobs SET status = 'completed' WHERE id = %s", (first.jobs[0].id,))
    assert len((await taking(10)).jobs) == 1


async def test_several_that_take_at_once_stay_within_a_limit(db, organization, taking):
    for _ in range(40):
        await put(db)
    await change(db, set_queue, Queue.DEFAULT, concurrency=7)

    async def worker() -> int:
        return sum([len((await taking(3)).jobs) for _ in range(6)])

    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(worker()) for _ in range(3)]
    at_once = sum(task.result() for task in workers)
    assert at_once <= 7
    # whoever finds another at the gate takes nothing: that may be all who come after the last place was left free
    assert at_once + len((await taking(40)).jobs) == 7
    assert (await taking(40)).jobs == []


async def test_an_organization_of_weight_3_has_three_turns_for_each_of_others(db, organization, other, taking):
    for _ in range(8):
        await put(db)
        await put(db, organization_id=other)
    await change(db, set_queue, Queue.DEFAULT, organization_id=other, weight=3)
    assert whose(await taking(8)) == {ORGANIZATION: 2, other: 6}


async def test_shares_bound_what_organizations_have_of_a_take(db, organization, other, taking):
    for _ in range(8):
        await put(db)
        await put(db, organization_id=other)
    await change(db, resume_queue, Queue.DEFAULT)  # which makes its gate
    taken = await taking(12, ruled=False, shares=Shares({ORGANIZATION: 1}, 4))
    assert whose(taken) == {ORGANIZATION: 1, other: 4}


async def test_a_rate_set_while_workers_run_takes_the_place_of_the_environments(db, working, pulse):
    await change(db, set_queue, Queue.DEFAULT, rate=Rate(3, seconds=600))
    async with working():
        for number in range(8):
            await put(db, str(number))
        await until(lambda: len(pulse.ran) == 3)
        await change(db, set_queue, Queue.DEFAULT, rate=None)
        await until(lambda: len(pulse.ran) == 8)


async def test_an_organizations_own_rate_holds_back_its_jobs_alone(db, organization, other, working, pulse):
    await change(db, set_queue, Queue.DEFAULT, organization_id=other, rate=Rate(2, seconds=600))
    async with working():
        for number in range(6):
            await put(db, f"theirs {number}", organization_id=other)
        for number in range(6):
            await put(db, f"ours {number}")
        await until(lambda: len(pulse.ran) == 8)
    assert Counter(name.split()[0] for name in pulse.ran) == {"ours": 6, "theirs": 2}


async def test_a_full_queue_goes_on_as_soon_as_a_job_ends(db, waker, working, pulse, organization):
    await change(db, set_queue, Queue.DEFAULT, concurrency=1)
    async with working(poll=30.0, lease=120.0):
        for number in range(3):
            await put(db, str(number))
        await until(lambda: len(pulse.ran) == 3)
    assert pulse.most_running == 1


async def test_a_full_queue_goes_on_once_an_outcome_is_written_whose_place_was_free_before(
    db, waker, working, pulse, organization, monkeypatch
):
    monkeypatch.setattr(_line, "AHEAD_SECONDS", 0.0)  # as if jobs took their time
    await change(db, set_queue, Queue.DEFAULT, concurrency=1)
    first, _ = await put(db, "first"), await put(db, "second")
    async with db.psycopg.connection() as console, console.transaction():
        await console.execute("SELECT FROM jobs WHERE id = %s FOR UPDATE", (first,))
        async with working(poll=30.0, lease=120.0) as worker:
            await until(lambda: worker._runner.outcomes._aside == 1, what="its outcome waits for the lock")
            assert pulse.ran == ["first"], "until it is written the limit is reached"
            await console.execute("ROLLBACK")
            await until(lambda: pulse.ran == ["first", "second"])


async def test_settings_are_told_and_forgotten(db, organization):
    await change(db, set_queue, Queue.SMS, rate=RATES["sms"], concurrency=4)
    await change(db, set_queue, Queue.SMS, organization_id=ORGANIZATION, weight=2)
    told = await change(db, read_queue_settings, Queue.SMS)
    assert (told.rate, told.concurrency, told.organizations[0].weight) == (Rate(10, seconds=1), 4, 2)
    await change(db, set_queue, Queue.SMS, rate=None, concurrency=None)
    told = await change(db, set_queue, Queue.SMS, organization_id=ORGANIZATION, weight=None)
    assert (told.rate, told.concurrency, told.organizations) == (None, None, ())
    async with db.psycopg.connection() as connection:
        left = await connection.execute("SELECT count(*) FROM queue_settings")
        gates = await connection.execute("SELECT name, ruled FROM job_gates WHERE name = 'sms'")
        assert (await left.fetchall(), await gates.fetchall()) == ([(0,)], [("sms", False)])


async def test_a_second_pause_leaves_who_and_why_as_they_are(db):
    first = await change(db, pause_queue, Queue.SMS, by="ada", reason="first")
    assert await change(db, pause_queue, Queue.SMS, by="bob", reason="second") == first


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"concurrency": 0}, "concurrency must be 1 to 1000000, a whole number, not 0"),
        ({"weight": 2}, "weight is for one organization: name it in organization_id"),
        ({"organization_id": ORGANIZATION, "weight": 0}, "weight must be 1 to 1000, a whole number, not 0"),
        ({"rate": 5}, "rate must be a Rate, such as"),
        (
            {"organization_id": ORGANIZATION, "concurrency_per_organization": 2},
            "concurrency_per_organization is for the whole queue: for one organization, set concurrency",
        ),
        ({"organization_id": UUID(int=7), "weight": 2}, "organization_id must be the id of an organization that"),
    ],
)
async def test_what_cannot_be_set_is_refused_by_its_field(db, organization, given: dict[str, Any], says: str):
    with pytest.raises(QueueSettingError, match=says):
        await change(db, set_queue, Queue.SMS, **given)


async def test_a_queue_that_is_none_is_refused_with_those_that_are_there(db):
    async with db.psycopg.connection() as connection:
        await connection.execute("INSERT INTO job_gates (name) VALUES ('theirs'), ('*audit')")
    with pytest.raises(QueueUnknownError) as refused:
        await change(db, pause_queue, "smms")
    house = "email, sms, push, two-factor, digest, webhook, maintenance, default"
    assert str(refused.value) == f"there is no queue 'smms'; there are {house}, theirs"
    assert (await change(db, pause_queue, "theirs")).paused is not None


async def test_memory_jobs_keep_to_pauses_and_rates(pulse):
    memory = InMemoryJobs(jobs, resources={type(pulse): pulse})
    for name in "abc":
        await enqueue(memory, Steer(name), organization_id=ORGANIZATION)
    await pause_queue(memory, Queue.DEFAULT)
    assert await memory.run_until_done() == memory.all
    assert pulse.ran == []
    await resume_queue(memory, Queue.DEFAULT)
    await set_queue(memory, Queue.DEFAULT, rate=Rate(2, seconds=60))
    assert len(await memory.run_due()) == 2
    assert await memory.run_due() == []
    memory.advance(60)
    assert len(await memory.run_due()) == 1


async def test_a_secret_in_a_reason_is_shown_nowhere(db: Database) -> None:
    told = await change(db, pause_queue, Queue.SMS, reason="password=hunter2-hunter2", by="ada")
    assert "hunter2" not in str(told)
