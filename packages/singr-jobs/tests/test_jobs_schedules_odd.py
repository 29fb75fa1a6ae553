"""Schedules as they are asked for by mistake, late, or twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
from jobs_support import until
from schedules_support import change, put, run

from singr_db import Database
from singr_dev.clock import VirtualClock
from singr_jobs import JobTelemetry, Waker
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.schedules import (
    All,
    CancelRunning,
    Cron,
    Every,
    Once,
    ScheduleError,
    pause_schedule,
    preview,
    read_schedule,
    run_schedule_now,
)
from singr_jobs.schedules._drafts import draft_of, drawn
from singr_jobs.schedules._firing import Scheduler
from singr_jobs.schedules._when import Rule
from singr_observability import build_metrics

_SLOW_NOW = """
CREATE OR REPLACE FUNCTION virtual_clock.now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF current_setting('application_name') = 'slow' THEN
        PERFORM pg_advisory_xact_lock_shared(4711);
    END IF;
    RETURN pg_catalog.now() + (SELECT ahead FROM virtual_clock.shift);
END $$
"""


class OnePool:
    """One connection, as a pool."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        yield self._connection


async def _waits(db: Database) -> bool:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'slow' AND wait_event = 'advisory'"
    return len(await run(db, waiting)) == 1


@pytest.fixture
async def slow_now(clock: VirtualClock, db: Database) -> AsyncIterator[None]:
    """Let `now()` wait, where the connection is called slow, for a lock: a statement that began, and goes on later."""
    [(usual,)] = await run(db, "SELECT pg_get_functiondef('virtual_clock.now'::regproc)")
    await run(db, _SLOW_NOW)
    yield
    await run(db, usual)


@pytest.mark.usefixtures("slow_now")
async def test_of_missed_times_that_follow_one_another_two_processes_start_one(
    clock: VirtualClock, db: Database, scheduler: Scheduler, waker: Waker
):
    await put(db, Every(3600), missed=All)
    clock.advance(hours=3.5)
    async with db.psycopg.connection() as holds, db.psycopg.connection() as slow:
        await holds.execute("SELECT pg_advisory_lock(4711)")
        await slow.execute("SET application_name = 'slow'")
        late = Scheduler(OnePool(slow), waker=waker)  # type: ignore[arg-type] # as far as it is used
        late._turns = 1
        looking = asyncio.create_task(late.work())
        await until(partial(_waits, db))
        assert await scheduler.work() == 1
        await holds.execute("SELECT pg_advisory_unlock(4711)")
        assert await looking == 0
        await slow.execute("RESET application_name")
    assert await run(db, "SELECT count(*) FROM jobs") == [(1,)]


def test_jitter_delays_no_time_beyond_the_one_after_it():
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    for rule in (Rule(Every(60), noon), Rule(Cron("* * * * *"), noon)):
        assert all(0 <= drawn(rule, noon, 3600) <= 60 for _ in range(50))
    assert all(0 <= drawn(Rule(Once(noon), noon), noon, 3600) <= 3600 for _ in range(50))
    assert drawn(rule, None, 3600) == 0


async def test_a_time_that_is_due_stays_due_where_it_is_said_again_after_it(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    at = clock.now() + timedelta(hours=1)
    first = await put(db, Once(at))
    clock.advance(hours=2)
    assert await put(db, Once(at)) == first
    assert await scheduler.work() == 1


async def test_a_schedule_that_has_ended_can_be_said_again_and_stays_so(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    at = clock.now() + timedelta(hours=1)
    first = await put(db, Once(at))
    clock.advance(hours=2)
    await scheduler.work()
    assert await put(db, Once(at)) == first
    assert (await change(db, read_schedule)).state == "ended"
    assert await scheduler.work() == 0
    with pytest.raises(ScheduleError, match="all are in the past"):
        await put(db, Once(at - timedelta(seconds=1)))


async def test_a_paused_schedule_whose_times_are_over_can_be_said_again(
    clock: VirtualClock, db: Database, organization: UUID
):
    at = clock.now() + timedelta(hours=1)
    first = await put(db, Once(at))
    await change(db, pause_schedule)
    clock.advance(hours=2)
    assert await put(db, Once(at)) == first
    assert (await change(db, read_schedule)).state == "paused"


async def test_a_run_that_is_refused_pauses_no_schedule_that_has_ended(
    clock: VirtualClock, db: Database, scheduler: Scheduler
):
    await put(db, Once(clock.now() + timedelta(hours=1)))
    clock.advance(hours=2)
    await scheduler.work()
    await run(db, """UPDATE schedules SET job = '{"queue": 1}'""")
    await change(db, run_schedule_now)
    await scheduler.work()
    seen = await change(db, read_schedule)
    assert (seen.state, seen.problem is not None) == ("ended", True)


@pytest.mark.parametrize("year", [1, 1969, 2200, 9999])
def test_a_moment_that_zones_know_nothing_of_is_refused_by_its_field(year: int):
    moment = datetime(year, 1, 1, tzinfo=UTC)
    with pytest.raises(ScheduleError, match="in the years 1970 to 2199") as caught:
        preview(Cron("0 0 * * *", "America/New_York"), moment)
    assert caught.value.field == "after"


@pytest.mark.parametrize("name", [" ", " nightly", "nightly ", "a\u200bb", "a\u00a0b", "\u202enightly", "a\ud800"])
def test_a_name_that_looks_like_another_is_refused(name: str):
    with pytest.raises(ScheduleError, match="printable characters") as caught:
        draft_of(name, Every(60))
    assert caught.value.field == "name"


async def test_what_became_of_times_is_forgotten_after_a_month(db: Database, scheduler: Scheduler):
    await run(
        db,
        "INSERT INTO schedule_fires (schedule_id, fire_at, id, organization_id, outcome, created_at)"
        " SELECT gen_random_uuid(), now(), gen_random_uuid(), gen_random_uuid(), 'fired',"
        " now() - interval '1 day' * day"
        " FROM unnest(ARRAY[0, 30, 32, 365]) AS day",
    )
    await scheduler.work()
    assert await run(db, "SELECT count(*), min(created_at) > now() - interval '31 days' FROM schedule_fires") == [
        (2, True)
    ]


async def test_what_became_of_times_is_counted_and_what_nobody_fires_is_told(
    clock: VirtualClock, db: Database, organization: UUID, waker: Waker
):
    metrics = build_metrics()
    scheduler = Scheduler(db.psycopg, waker=waker, observer=GuardedObserver(JobTelemetry(metrics)))
    await put(db, name="good")
    await put(db, name="bad")
    await put(db, name="unknown")
    await run(db, """UPDATE schedules SET job = '{"queue": 1}' WHERE name = 'bad'""")
    await run(db, "UPDATE schedules SET job = NULL, request = '', type = 'gone' WHERE name = 'unknown'")
    clock.advance(seconds=100)
    await scheduler.work()
    told = metrics.render_json()
    fired = {one["labels"]["outcome"]: one["value"] for one in told["singr_schedule_fires"]["values"]}
    assert fired == {"fired": 1, "refused": 1, "asked": 0, "skipped": 0, "missed": 0}
    [late] = told["singr_schedules_late_seconds"]["values"]
    assert late["value"] >= 40


async def test_a_schedule_whose_job_somebody_has_locked_holds_up_no_other(
    clock: VirtualClock, db: Database, scheduler: Scheduler
) -> None:
    await put(db, name="locked", overlap=CancelRunning)
    clock.advance(seconds=61)
    await scheduler.work()
    await put(db, name="other")
    clock.advance(seconds=61)
    async with db.psycopg.connection() as console, console.transaction():
        await console.execute("SELECT FROM jobs FOR UPDATE")
        assert await scheduler.work() == 1
        assert await run(db, "SELECT name FROM schedules WHERE due_at <= now()") == [("locked",)]
    assert await scheduler.work() == 1
    assert await run(db, "SELECT payload->>'name', status FROM jobs ORDER BY id") == [
        ("locked", "cancelled"),
        ("other", "pending"),
        ("locked", "pending"),
    ]
