"""A clock that tests turn moves this process, its children, PostgreSQL and the limits in Redis together."""

import datetime as dt
import os
import subprocess
import sys

import msgspec
import pytest
from sqlalchemy import text

from singr_config import Settings
from singr_config.clock import clock as process_clock
from singr_db import PLATFORM_ORGANIZATION_ID, Database, new_id
from singr_db.limits import RateLimiter
from singr_db.redis import redis_client
from singr_dev import DevError
from singr_dev.clock import VirtualClock
from singr_jobs import JobContext, Jobs, Queue, RetryLater, enqueue

DAY = dt.timedelta(days=1)
NEAR = dt.timedelta(minutes=2)  # what a busy machine may take between two readings


class Ring(msgspec.Struct, tag="clock.ring", frozen=True):
    """A job that is rung when its time comes."""


def test_a_moment_that_is_advanced_to_has_come_for_this_process(clock: VirtualClock) -> None:
    before = process_clock.now()
    clock.advance(days=7)
    assert before + 7 * DAY <= process_clock.now() < before + 7 * DAY + NEAR
    assert process_clock.time() == pytest.approx(process_clock.now().timestamp(), abs=NEAR.total_seconds())


async def test_statements_and_defaults_of_the_database_go_by_it(clock: VirtualClock, db: Database) -> None:
    clock.advance(days=30)
    async with db.platform() as session:
        await session.execute(
            text("INSERT INTO organizations (id, name, slug) VALUES (:id, 'Moved', 'moved')"), {"id": new_id()}
        )
        rows = await session.execute(
            text("SELECT now(), clock_timestamp(), created_at FROM organizations WHERE name = 'Moved'")
        )
        for moment in rows.one():
            assert abs(moment - clock.now()) < NEAR


async def test_a_tenants_statements_go_by_it_too(clock: VirtualClock, db: Database) -> None:
    clock.advance(days=30)
    async with db.tenant(PLATFORM_ORGANIZATION_ID) as session:
        assert abs((await session.execute(text("SELECT now()"))).scalar_one() - clock.now()) < NEAR


async def test_an_index_is_used_by_a_condition_on_the_moved_time(clock: VirtualClock, db: Database) -> None:
    async with db.platform() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        due = "SELECT FROM job_later WHERE run_at <= now()"
        plan = "\n".join((await session.execute(text(f"EXPLAIN {due}"))).scalars())
    assert "Index Cond: (run_at <= now())" in plan, plan


async def test_a_database_without_a_clock_stays_as_production_has_it(db: Database) -> None:
    async with db.platform() as session:
        assert (await session.execute(text("SELECT to_regnamespace('virtual_clock')"))).scalar_one() is None


def test_the_clock_of_one_test_is_not_that_of_the_next(clock: VirtualClock) -> None:
    assert process_clock.ahead_ns() == 0


def test_ids_are_made_in_its_time_and_ascend(clock: VirtualClock) -> None:
    before = new_id()
    clock.advance(days=7)
    first, second = new_id(), new_id()
    assert before < first < second
    assert abs(dt.datetime.fromtimestamp((first.int >> 80) / 1000, dt.UTC) - clock.now()) < NEAR
    assert first.version == 7


async def test_a_limit_in_redis_is_free_again_after_its_window(clock: VirtualClock, settings: Settings) -> None:
    redis = redis_client(settings.redis)
    try:
        limiter = RateLimiter(redis)
        assert (await limiter.check("clock", limit=1, window=3600.0)).allowed
        assert not (await limiter.check("clock", limit=1, window=3600.0)).allowed
        clock.advance(hours=2)
        assert (await limiter.check("clock", limit=1, window=3600.0)).allowed
    finally:
        await redis.aclose()


def test_processes_that_are_started_with_it_go_by_it(clock: VirtualClock) -> None:
    clock.advance(days=400)
    code = "from singr_config.clock import clock; print(clock.now().isoformat())"
    environ = {"PATH": os.environ["PATH"], **clock.environ}
    said = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert abs(dt.datetime.fromisoformat(said.stdout.strip()) - clock.now()) < NEAR


def test_a_moment_is_moved_to_and_the_past_is_refused(clock: VirtualClock) -> None:
    moment = clock.now() + 3 * DAY
    assert moment <= clock.move_to(moment) < moment + NEAR
    with pytest.raises(DevError, match="goes forward"):
        clock.move_to(moment - DAY)
    with pytest.raises(DevError, match="goes forward"):
        clock.advance(seconds=-1)
    with pytest.raises(DevError, match="time zone"):
        clock.move_to(dt.datetime(2100, 1, 1))  # noqa: DTZ001 — that is the fault


async def test_what_is_due_runs_and_what_is_not_waits(clock: VirtualClock, db: Database) -> None:
    jobs, rung = Jobs(), []

    @jobs.handler(Ring, queue=Queue.WEBHOOK)
    async def ring(job: Ring, context: JobContext) -> None:
        rung.append(clock.now())
        if len(rung) == 1:
            raise RetryLater(3600.0, "busy", "try again in an hour")

    async with db.platform() as session:
        await enqueue(session, Ring(), organization_id=PLATFORM_ORGANIZATION_ID, run_at=clock.now() + DAY)
    await clock.settle(jobs)
    assert rung == []
    clock.advance(days=1)
    await clock.settle(jobs)
    assert len(rung) == 1, "it is tried, and then waits for its next try"
    clock.advance(hours=1)
    await clock.settle(jobs)
    assert len(rung) == 2
