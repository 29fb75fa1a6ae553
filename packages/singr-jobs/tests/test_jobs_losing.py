"""Who pays for a worker that fell silent: what had begun, and nothing else."""

import math
from typing import Any
from uuid import UUID, uuid4

import pytest
from jobs_support import ORGANIZATION, jobs, lies, put, take_by_hand, until

from singr_db import Database
from singr_db.ending import ALONE, LOSE, SUSPECT
from singr_dev.clock import VirtualClock
from singr_jobs import Queue, QueueOptions, Rate, cancel_job
from singr_jobs.taking import _held_gates
from singr_jobs.taking._claims import Claimant, Shares, take_apart
from singr_jobs.taking._dispatcher import Dispatcher
from singr_jobs.taking._held_gates import HeldGates

OTHER = UUID("01920000-0000-7000-8000-0000000000ab")
"""Of an organization whose turn comes after that of the usual one."""


async def test_what_fits_its_places_has_begun_and_what_is_more_is_ahead(db: Database, working, pulse):
    async with working(concurrency=1) as worker:
        worker._runner._lines["default"]._seconds = 1e-4  # as after many quick ones
        fitting = await put(db, "a", "wait")
        await until(lambda: pulse.running == 1)
        more = await put(db, "b", "wait")

        async def is_ahead() -> bool:
            return await lies(db, more) == "ahead"

        await until(is_ahead, what="the second is taken ahead")
        assert await lies(db, fitting) == "working"


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_job_that_may_not_have_begun_pays_no_attempt(db: Database, waker, working, reaches, attempts):
    """Were it its last, it would have failed without a try."""
    job_id = await put(db, attempts=attempts)
    await take_by_hand(db, job_id, state="ahead", over_in=-1.0)
    async with working():
        job = await reaches(job_id, "completed")
    assert (job.attempt, job.attempts) == (1, [])


async def test_a_job_that_may_not_have_begun_is_next_taken_where_it_begins_at_once(db: Database, waker, working, pulse):
    """All suspects run, though there are more than places, and each on a ticket that has begun."""
    ids = [await put(db, f"suspect-{number}") for number in range(30)]
    last = await put(db, "last", "wait")
    await take_by_hand(db, *ids, last, state="ahead", over_in=-1.0)
    async with working(concurrency=2) as worker:
        worker._runner._lines["default"]._seconds = 1e-4
        await until(lambda: "last" in pulse.ran)
        assert await lies(db, last) == "working"
        await until(lambda: len(pulse.ran) == 31)
    assert {context.attempt for context in pulse.contexts} == {1}


async def test_a_clock_that_jumps_after_it_was_looked_at_loses_nothing(clock: VirtualClock, db: Database):
    job_id = await put(db, "a")
    looked = clock.now().timestamp()
    await take_by_hand(db, job_id, over_in=30.0)
    clock.advance(hours=1)
    async with db.psycopg.connection() as connection:
        await connection.execute(LOSE, {"limit": 1, "error": "{}", "looked": looked})
    assert await lies(db, job_id) == "working"


async def test_suspects_take_turns_with_what_else_waits(db: Database, waker, working, pulse):
    """Who lost many jobs with a worker holds up nobody until the last of them has run."""
    ids = [await put(db, f"suspect-{number}") for number in range(10)]
    await take_by_hand(db, *ids, state="ahead", over_in=-1.0)
    async with db.psycopg.connection() as connection:
        await connection.execute(LOSE, {"limit": 1, "error": "{}", "looked": math.inf})
    await put(db, "other", organization_id=uuid4())
    async with working(concurrency=1):
        await until(lambda: len(pulse.ran) == 11)
    assert pulse.ran.index("other") <= 2


@pytest.mark.parametrize("looks", [1, 2])
async def test_a_turn_is_not_over_while_there_is_no_place(
    db: Database, waker, working, pulse, monkeypatch: pytest.MonkeyPatch, looks: int
):
    """However often it looks meanwhile: what waits beside suspects would miss its turns."""
    rounds = 0
    one_round = Dispatcher._round

    async def counted(self: Dispatcher) -> set[Queue]:
        nonlocal rounds
        more = await one_round(self)
        rounds += 1
        return more

    monkeypatch.setattr(Dispatcher, "_round", counted)
    ids = [await put(db, f"suspect-{number}", "wait") for number in range(4)]
    await take_by_hand(db, *ids, state="ahead", over_in=-1.0)
    async with db.psycopg.connection() as connection:
        await connection.execute(LOSE, {"limit": 1, "error": "{}", "looked": math.inf})
    await put(db, "other", organization_id=uuid4())
    async with working(concurrency=1):
        await until(lambda: pulse.running == 1)
        for _ in range(looks):
            seen = rounds
            waker.wake([Queue.DEFAULT.value])
            await until(lambda seen=seen: rounds > seen)
        pulse.gate.set()
        await until(lambda: len(pulse.ran) == 5)
    assert pulse.ran[1] == "other"


async def test_a_gate_that_stays_shut_is_looked_at_once_a_rest_while_suspects_wait(
    db: Database, waker, working, pulse, monkeypatch: pytest.MonkeyPatch
):
    """Else each look followed the last at once, for as long as a console kept the gate."""
    seen: list[str] = []
    shut, rest = HeldGates.shut, Dispatcher._rest

    async def looked(self: HeldGates, queue: Queue) -> float:
        seen.append("shut")
        return await shut(self, queue)

    async def rested(self: Dispatcher) -> None:
        seen.append("rest")
        await rest(self)

    monkeypatch.setattr(_held_gates, "_PATIENT_AFTER", 0.0)
    monkeypatch.setattr(HeldGates, "shut", looked)
    monkeypatch.setattr(Dispatcher, "_rest", rested)
    ids = [await put(db, f"suspect-{number}") for number in range(4)]
    await take_by_hand(db, *ids, state="ahead", over_in=-1.0)
    async with db.psycopg.connection() as console:
        await console.execute(LOSE, {"limit": 1, "error": "{}", "looked": math.inf})
        await console.execute("INSERT INTO job_gates (name) VALUES ('default') ON CONFLICT DO NOTHING")
        async with working(concurrency=1, poll=0.02):
            async with console.transaction():
                await console.execute("SELECT FROM job_gates WHERE name = 'default' FOR UPDATE")
                await until(lambda: seen.count("shut") >= 8)
                assert seen.count("rest") >= seen.count("shut") - 2
            await until(lambda: len(pulse.ran) == 4)


@pytest.mark.parametrize("apart", ["suspect", "alone"])
async def test_jobs_that_were_lost_keep_to_their_queues_rate(db: Database, waker, working, pulse, apart):
    ids = [await put(db, f"lost-{number}") for number in range(3)]
    async with db.psycopg.connection() as connection:
        if apart == "suspect":
            await take_by_hand(db, *ids, state="ahead", over_in=-1.0)
            await connection.execute(LOSE, {"limit": 1, "error": "{}", "looked": math.inf})
        else:
            await connection.execute("UPDATE jobs SET solo = true")
            await connection.execute("UPDATE job_ready SET priority = %s", (ALONE,))
    rated = {Queue.DEFAULT: QueueOptions(concurrency=10, rate=Rate(1, seconds=60)), Queue.EMAIL: QueueOptions()}
    async with working(queues=rated):
        await until(lambda: len(pulse.ran) == 1)
        for number in range(5):  # each makes it look at both queues
            await put(db, f"other-{number}", queue=Queue.EMAIL)
            await until(lambda: len(pulse.ran) == number + 2)  # noqa: B023 - asked at once
    assert len([name for name in pulse.ran if name.startswith("lost")]) == 1
    assert await lies(db, ids[-1]) == "ready"


async def test_a_suspect_is_cancelled_where_it_waits(db: Database):
    job_id = await put(db, "a")
    await take_by_hand(db, job_id, state="ahead", over_in=-1.0)
    async with db.psycopg.connection() as connection:
        await connection.execute(LOSE, {"limit": 1, "error": "{}", "looked": math.inf})
        [(priority,)] = await (await connection.execute("SELECT priority FROM job_ready")).fetchall()
    assert priority == SUSPECT
    async with db.tenant(ORGANIZATION) as session:
        assert (await cancel_job(session, job_id)).status == "cancelled"
    assert await lies(db, job_id) == ""


async def test_jobs_that_run_alone_follow_each_other_without_a_pause(db: Database, waker, working, pulse):
    """Not one a look: a poll of a minute would show."""
    ids = [await put(db, f"alone-{number}") for number in range(20)]
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE jobs SET solo = true WHERE id = ANY (%s)", (ids,))
        await connection.execute("UPDATE job_ready SET priority = %s", (ALONE,))
    async with working(poll=30.0, lease=120.0):
        await until(lambda: len(pulse.ran) == 20)
    assert pulse.most_running == 1


@pytest.mark.parametrize("priority", [SUSPECT, ALONE])
async def test_what_waits_apart_is_taken_by_turns_of_its_organizations(db: Database, working, pulse, priority: int):
    """Who has many such jobs holds up nobody until the last of them has run; each runs beside no other such job."""
    for name in "abcdefgh":
        await put(db, f"many-{name}")
    for name in "xy":
        await put(db, f"few-{name}", organization_id=OTHER)
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE job_ready SET priority = %s", (priority,))
    async with working(concurrency=1):
        await until(lambda: len(pulse.ran) == 10)
    assert [number for number, name in enumerate(pulse.ran) if name.startswith("few")] == [1, 3]
    assert [name for name in pulse.ran if name.startswith("many")] == [f"many-{name}" for name in "abcdefgh"]
    assert pulse.most_running == 1


async def test_of_what_waits_apart_nobody_is_given_more_than_its_share(db: Database):
    many = [await put(db, f"many-{number}") for number in range(4)]
    few = [await put(db, f"few-{number}", organization_id=OTHER) for number in range(2)]
    async with db.psycopg.connection() as connection:
        await connection.execute("UPDATE job_ready SET priority = %s", (SUSPECT,))

    async def taken(token: int, *shares: Any) -> list[UUID]:
        claimant = Claimant("by-hand", 60.0, jobs.runnable())
        about = {"token": token, "priority": SUSPECT, "room": 5, "shares": Shares(*shares)}
        return sorted(job.id for job in await take_apart(db.psycopg, Queue.DEFAULT, claimant, **about))

    assert await taken(1, {OTHER: 0}, 0) == []
    assert await taken(2, {ORGANIZATION: 2}) == sorted([*many[:2], *few])
    assert await taken(3, {}, 1) == [many[2]]
