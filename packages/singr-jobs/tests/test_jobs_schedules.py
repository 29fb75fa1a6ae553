"""Schedules in PostgreSQL: each time becomes one job, whatever dies, waits or is changed meanwhile."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, until
from jobs_support import jobs as steered
from schedules_support import change, end_jobs, fires, put, run

from singr_db import Database
from singr_db.tables import Organization
from singr_dev.clock import VirtualClock
from singr_jobs import EnqueueError, read_job
from singr_jobs.schedules import (
    All,
    CancelRunning,
    Cron,
    Every,
    Once,
    Queue,
    ScheduleEndedError,
    ScheduleError,
    ScheduleNotFoundError,
    Skip,
    delete_schedule,
    list_fires,
    list_schedules,
    pause_schedule,
    read_schedule,
    resume_schedule,
    run_schedule_now,
    schedule,
)
from singr_jobs.schedules._firing import BITE, Scheduler

DAILY = Cron("30 2 * * *", "Europe/Berlin")


async def test_a_time_becomes_the_job_that_was_scheduled(clock: VirtualClock, db: Database, scheduler: Scheduler):
    await put(db, attempts=7)
    assert await scheduler.work() == 0
    clock.advance(seconds=61)
    assert await scheduler.work() == 1
    [(job_id,)] = await run(db, "SELECT id FROM jobs")
    async with db.tenant(ORGANIZATION) as session:
        job = await read_job(session, job_id)
        seen = await read_schedule(session, "nightly", organization_id=ORGANIZATION)
    assert (job.type, job.payload["name"], job.max_attempts, job.queue) == ("test.steer", "nightly", 7, "default")
    assert (seen.last_job_id, seen.state, seen.in_words) == (job_id, "active", "Every minute")
    assert seen.last_fire_at is not None
    assert seen.next_fire_at == seen.last_fire_at + timedelta(seconds=60)
    assert await run(db, "SELECT count(*) FROM job_ready WHERE id = %s", job_id) == [(1,)]


async def test_of_many_processes_each_time_is_fired_by_one(
    clock: VirtualClock, db: Database, scheduler: Scheduler, waker
):
    for number in range(20):
        await put(db, name=f"number {number}")
    clock.advance(seconds=61)
    others = [Scheduler(db.psycopg, waker=waker) for _ in range(3)]
    made = await asyncio.gather(*(one.work() for one in (scheduler, *others)))
    assert (sum(made), len(await fires(db))) == (20, 20)


async def test_a_time_that_is_written_down_becomes_no_second_job(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    await put(db)
    [(due,)] = await run(db, "SELECT next_fire_at FROM schedules")
    clock.advance(seconds=61)
    assert await scheduler.work() == 1
    await run(db, "UPDATE schedules SET next_fire_at = %s, due_at = %s", due, due)  # as a clock that went back
    await end_jobs(db)
    assert await scheduler.work() == 0
    assert await run(db, "SELECT count(*), count(DISTINCT id) FROM jobs") == [(1, 1)]


async def test_more_than_a_bite_that_are_due_at_once_all_fire(clock: VirtualClock, db: Database, scheduler: Scheduler):
    count = 2 * BITE + 1
    await put(db)
    columns = "organization_id, every, anchor_at, missed_within, type, job, rules, next_fire_at, due_at"
    await run(
        db,
        f"INSERT INTO schedules (id, name, {columns}) SELECT gen_random_uuid(), 'n' || n, {columns}"
        " FROM schedules, generate_series(2, %s) AS n",
        count,
    )
    clock.advance(seconds=61)
    assert await scheduler.work() == count
    assert await run(db, "SELECT count(*) FROM jobs") == [(count,)]
    assert await run(db, "SELECT count(*) FROM schedules WHERE due_at <= now()") == [(0,)]


async def test_missed_times_are_made_up_for_as_it_was_asked(clock: VirtualClock, db: Database, scheduler: Scheduler):
    await put(db, Every(3600), "latest", overlap=CancelRunning)
    await put(db, Every(3600), "skipped", missed=Skip)
    await put(db, Every(3600), "all", missed=All)
    clock.advance(hours=3.5)
    for _ in range(4):
        await scheduler.work()
        await end_jobs(db)
        clock.advance(seconds=2)
    made = dict(await run(db, "SELECT payload->>'name', count(*) FROM jobs GROUP BY 1"))
    assert made == {"latest": 1, "all": 3}
    missed = await run(
        db,
        "SELECT name, outcome, until IS NOT NULL FROM schedule_fires f JOIN schedules s ON s.id = f.schedule_id"
        " WHERE outcome = 'missed' ORDER BY 1",
    )
    assert missed == [("latest", "missed", True), ("skipped", "missed", True)]
    async with db.tenant(ORGANIZATION) as session:
        found = await read_schedule(session, "latest", organization_id=ORGANIZATION)
        listed = await list_fires(session, found.id, organization_id=ORGANIZATION)
    assert [fire.outcome for fire in listed.items] == ["fired", "missed"]


async def test_a_time_while_the_job_before_runs_is_left_out_waits_or_takes_its_place(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    await put(db, name="skip")
    await put(db, name="queue", overlap=Queue)
    await put(db, name="cancel", overlap=CancelRunning)
    for _ in range(3):
        clock.advance(seconds=61)
        await scheduler.work()
    found = await run(db, "SELECT payload->>'name', status, count(*) FROM jobs GROUP BY 1, 2 ORDER BY 1, 2")
    assert found == [
        ("cancel", "cancelled", 2),
        ("cancel", "pending", 1),
        ("queue", "pending", 1),
        ("skip", "pending", 1),
    ]
    await end_jobs(db)
    clock.advance(seconds=61)
    await scheduler.work()
    assert await run(db, "SELECT count(*) FROM jobs WHERE payload->>'name' = 'queue'") == [(2,)]
    waiting = "SELECT next_fire_at < now() - interval '60 s', due_at > now() FROM schedules WHERE name = 'queue'"
    await scheduler.work()
    assert await run(db, waiting) == [(True, True)]


async def test_a_paused_schedule_rests_runs_when_asked_and_goes_on_with_its_next_time(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    await put(db)
    paused = await change(db, pause_schedule)
    assert (paused.state, paused.next_fire_at) == ("paused", None)
    clock.advance(hours=5)
    assert await scheduler.work() == 0
    await change(db, run_schedule_now)
    await change(db, run_schedule_now)
    assert await scheduler.work() == 1
    assert await fires(db) == [("asked", True)]
    await end_jobs(db)
    resumed = await change(db, resume_schedule)
    assert (resumed.state, resumed.next_fire_at > clock.now()) == ("active", True)
    clock.advance(seconds=61)
    assert await scheduler.work() == 1
    assert await fires(db) == [("asked", True), ("fired", True)]


async def test_saying_the_same_again_keeps_what_is_due_and_another_rule_begins_anew(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    first = await put(db)
    clock.advance(seconds=61)
    assert await put(db) == first
    assert await scheduler.work() == 1
    await put(db, Every(7200))
    clock.advance(seconds=61)
    assert await scheduler.work() == 0
    assert await run(db, "SELECT every, next_fire_at > now() + interval '1 h' FROM schedules") == [(7200.0, True)]


async def test_a_paused_schedule_that_is_said_again_stays_paused(db: Database, organization: UUID):
    await put(db)
    await change(db, pause_schedule)
    await put(db)
    assert (await change(db, read_schedule)).state == "paused"


async def test_a_deleted_schedule_fires_no_more_and_leaves_nothing(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    await put(db)
    clock.advance(seconds=61)
    await scheduler.work()
    await change(db, delete_schedule)
    clock.advance(seconds=61)
    assert await scheduler.work() == 0
    assert await run(db, "SELECT count(*) FROM schedule_fires") == [(0,)]
    for how in (read_schedule, pause_schedule, resume_schedule, run_schedule_now, delete_schedule):
        with pytest.raises(ScheduleNotFoundError):
            await change(db, how)


async def test_once_is_once_and_then_has_ended(clock: VirtualClock, db: Database, scheduler: Scheduler):
    await put(db, Once(clock.now() + timedelta(hours=1)))
    clock.advance(hours=1, seconds=1)
    assert await scheduler.work() == 1
    ended = await change(db, read_schedule)
    assert (ended.state, ended.next_fire_at) == ("ended", None)
    for how in (pause_schedule, resume_schedule):
        with pytest.raises(ScheduleEndedError):
            await change(db, how)


async def test_a_schedule_whose_times_are_over_is_refused_and_nothing_is_stored(db: Database, organization: UUID):
    async with db.platform() as session:
        [(now,)] = await session.execute(_now())
    for field, when, options in (
        ("at", Once(now - timedelta(days=1)), {}),
        ("ends", Every(60), {"ends": now - timedelta(days=1)}),
    ):
        with pytest.raises(ScheduleError) as caught:
            await put(db, when, **options)
        assert (caught.value.field, caught.value.code) == (field, "never-fires")
    assert await run(db, "SELECT count(*) FROM schedules") == [(0,)]


def _now() -> Any:
    from singr_jobs.schedules._sql import NOW  # noqa: PLC0415 — for one test

    return NOW


async def test_another_organizations_schedule_cannot_be_seen_changed_or_taken(db: Database, organization: UUID):
    mine, other = await put(db), uuid4()
    async with db.platform() as session:
        session.add(Organization(id=other, name="Theirs", slug="theirs"))
    async with db.tenant(other) as session:
        assert (await list_schedules(session, organization_id=other)).items == ()
        for how in (read_schedule, pause_schedule, resume_schedule, run_schedule_now, delete_schedule):
            with pytest.raises(ScheduleNotFoundError):
                await how(session, mine, organization_id=other)
        with pytest.raises(ScheduleNotFoundError):
            await list_fires(session, mine, organization_id=other)
        theirs = await schedule(session, "nightly", DAILY, Steer("b"), organization_id=other)
    assert theirs.id != mine
    assert (await change(db, read_schedule)).every == 60


async def test_what_cannot_be_stored_pauses_its_own_schedule_alone(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    await put(db, name="good")
    await put(db, name="unreadable")
    await put(db, name="impossible")
    await run(db, """UPDATE schedules SET job = '{"queue": 1}' WHERE name = 'unreadable'""")
    await run(db, "UPDATE schedules SET job = jsonb_set(job, '{priority}', '9') WHERE name = 'impossible'")
    clock.advance(seconds=61)
    assert await scheduler.work() == 1
    found = await run(db, "SELECT name, state, problem IS NOT NULL FROM schedules ORDER BY name")
    assert found == [("good", "active", False), ("impossible", "paused", True), ("unreadable", "paused", True)]
    await put(db, name="impossible")
    assert (await change(db, read_schedule, "impossible")).state == "active"


async def test_times_are_reckoned_anew_when_the_rules_of_zones_change(db: Database, scheduler: Scheduler):
    await put(db, DAILY)
    wrong = datetime.fromisoformat("2199-01-01T00:00:00+00:00")
    await run(db, "UPDATE schedules SET rules = '2001a', next_fire_at = %s, due_at = %s", wrong, wrong)
    await scheduler.work()
    [(moment, rules)] = await run(db, "SELECT next_fire_at, rules FROM schedules")
    assert moment < wrong
    assert rules > "2025"


async def test_a_run_that_was_asked_for_is_not_lost_when_the_rules_of_zones_change(db: Database, scheduler: Scheduler):
    await put(db, DAILY)
    wrong = datetime.fromisoformat("2199-01-01T00:00:00+00:00")
    await run(db, "UPDATE schedules SET rules = '2001a', next_fire_at = %s, due_at = %s", wrong, wrong)
    await change(db, run_schedule_now)
    assert await scheduler.work() == 1
    await scheduler._tidy()
    assert (await change(db, read_schedule)).next_fire_at < wrong


async def test_an_interval_that_was_in_trouble_begins_anew(clock: VirtualClock, db: Database, scheduler: Scheduler):
    await put(db, Every(3600))
    await run(db, "UPDATE schedules SET state = 'paused', problem = 'broken', next_fire_at = NULL, due_at = NULL")
    clock.advance(seconds=2000)
    await put(db, Every(3600))
    clock.advance(seconds=3601)
    assert await scheduler.work() == 1
    await end_jobs(db)
    clock.advance(seconds=2000)
    assert await scheduler.work() == 0, "an hour is not over"


async def test_a_zone_that_was_withdrawn_pauses_its_schedule(db: Database, scheduler: Scheduler):
    await put(db, DAILY)
    await run(db, "UPDATE schedules SET time_zone = 'Europe/Atlantis', rules = '2001a'")
    await scheduler.work()
    paused = await change(db, read_schedule)
    assert (paused.state, paused.in_words) == ("paused", "30 2 * * *")
    assert "Europe/Atlantis" in (paused.problem or "")


async def test_lists_come_in_pages_and_fires_the_latest_first(clock: VirtualClock, db: Database, scheduler: Scheduler):
    ids = [await put(db, name=f"n{number}") for number in range(3)]
    for _ in range(2):
        clock.advance(seconds=61)
        await scheduler.work()
        await end_jobs(db)
    async with db.tenant(ORGANIZATION) as session:
        first = await list_schedules(session, organization_id=ORGANIZATION, limit=2)
        rest = await list_schedules(session, organization_id=ORGANIZATION, limit=2, cursor=first.next_cursor)
        seen = await list_fires(session, ids[0], organization_id=ORGANIZATION, limit=1)
        older = await list_fires(session, ids[0], organization_id=ORGANIZATION, limit=5, cursor=seen.next_cursor)
    assert [one.id for one in (*first.items, *rest.items)] == ids[::-1]
    assert seen.items[0].fire_at > older.items[0].fire_at
    assert (len(older.items), older.next_cursor) == (1, None)


async def test_a_job_that_cannot_be_enqueued_cannot_be_scheduled(db: Database, organization: UUID):
    class Unknown(msgspec.Struct, tag="test.unknown"):
        pass

    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(EnqueueError, match="has no handler"):
            await schedule(session, "n", DAILY, Unknown(), organization_id=ORGANIZATION)
        with pytest.raises(EnqueueError, match="attempts"):
            await schedule(session, "n", DAILY, Steer("a"), organization_id=ORGANIZATION, attempts=0)


async def test_a_clock_that_settles_fires_what_is_due(clock: VirtualClock, db: Database, organization: UUID, pulse):
    await put(db)
    clock.advance(seconds=61)
    await clock.settle(steered, resources={Pulse: pulse})
    assert pulse.ran == ["nightly"]


async def test_what_is_no_session_is_refused():
    with pytest.raises(ScheduleError, match="session must be a session of Database"):
        await schedule(object(), "n", DAILY, Steer("a"), organization_id=ORGANIZATION)  # type: ignore[arg-type] # refused


async def test_a_worker_fires_what_is_due(db: Database, organization: UUID, working, pulse):
    await put(db, Every(1))
    async with working():
        await until(lambda: "nightly" in pulse.ran)


async def fail_jobs(db: Database) -> None:
    await run(db, "UPDATE jobs SET status = 'failed' WHERE status = 'pending'")
    await run(db, "DELETE FROM job_ready")


async def test_a_schedule_pauses_after_so_many_jobs_that_failed_and_goes_on_when_resumed(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    await put(db, pause_after=2)
    for _ in range(2):
        clock.advance(seconds=61)
        assert await scheduler.work() == 1
        await fail_jobs(db)
    clock.advance(seconds=61)
    assert await scheduler.work() == 0
    stopped = await change(db, read_schedule)
    assert stopped.state == "paused"
    assert "failed 2 times in a row" in stopped.problem
    await change(db, resume_schedule)
    clock.advance(seconds=61)
    assert await scheduler.work() == 1


async def test_a_job_between_that_completed_keeps_a_schedule_going(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    await put(db, pause_after=2)
    for end in (fail_jobs, end_pending, fail_jobs):
        clock.advance(seconds=61)
        assert await scheduler.work() == 1
        await end(db)
    clock.advance(seconds=61)
    assert await scheduler.work() == 1


async def end_pending(db: Database) -> None:
    await run(db, "UPDATE jobs SET status = 'completed' WHERE status = 'pending'")
    await run(db, "DELETE FROM job_ready")


@pytest.mark.parametrize("wrong", [0, 21, 1.5, "two"])
async def test_a_number_of_failures_that_cannot_be_is_refused_by_its_name(db: Database, wrong: Any):
    with pytest.raises(ScheduleError) as caught:
        await put(db, pause_after=wrong)
    assert caught.value.field == "pause_after"
