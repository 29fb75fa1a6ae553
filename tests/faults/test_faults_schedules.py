"""Schedules over both changes of clocks: each time becomes one job, whatever dies or goes back (R27)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from faults.fault_jobs import Nothing
from sqlalchemy import text

from singr_config import Settings
from singr_db import PLATFORM_ORGANIZATION_ID, Database, seed
from singr_db.redis import redis_client
from singr_dev.clock import VirtualClock
from singr_jobs import Waker
from singr_jobs.schedules import Cron, Every, preview, schedule
from singr_jobs.schedules._firing import Scheduler
from singr_jobs.schedules._zones import zone

BERLIN = "Europe/Berlin"
HALF_AN_HOUR = timedelta(minutes=30)


class Dies(Scheduler):
    """A worker that is killed with its transaction open, once all is written."""

    async def _write(self, *given: Any) -> Any:
        await super()._write(*given)
        raise ConnectionResetError


def changes(now: datetime) -> list[datetime]:
    """The next two changes of Berlin's clocks, to the hour."""
    hours = [now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=count) for count in range(120, 367 * 24)]
    offsets = [hour.astimezone(zone(BERLIN)).utcoffset() for hour in hours]
    return [hour for hour, before, after in zip(hours[1:], offsets, offsets[1:], strict=False) if before != after]


@pytest.fixture
async def schedulers(db: Database, settings: Settings) -> AsyncIterator[tuple[Dies, Scheduler, Scheduler]]:
    await seed(db)
    redis = redis_client(settings.redis)
    waker = Waker(redis)
    yield Dies(db.psycopg, waker=waker), Scheduler(db.psycopg, waker=waker), Scheduler(db.psycopg, waker=waker)
    await waker.close()
    await redis.aclose()


@pytest.mark.parametrize("hours", [1.5, pytest.param(48, marks=pytest.mark.full)])
async def test_over_both_changes_of_clocks_each_time_becomes_one_job_whatever_dies(
    clock: VirtualClock, db: Database, schedulers: tuple[Dies, Scheduler, Scheduler], hours: float
) -> None:
    """R27: by fixed time, by `*` and by interval; killed in the middle, two at once, and a clock that went back."""
    for change in changes(clock.now()):
        begins = change - timedelta(hours=hours)
        clock.move_to(begins - HALF_AN_HOUR)
        expected = await put(db, begins, change + timedelta(hours=hours))
        for moment in sorted({time for times in expected.values() for time in times}):
            clock.move_to(moment + timedelta(seconds=1))
            await meet(db, schedulers)
        async with db.platform() as session:
            made = (await session.execute(text("SELECT schedule_id, fire_at FROM schedule_fires f JOIN jobs j"
                    " ON j.id = f.job_id ORDER BY fire_at"))).all()  # fmt: skip
            jobs = await session.scalar(text("SELECT count(*) FROM jobs"))
            for table in ("schedules", "schedule_fires", "job_ready", "jobs"):
                await session.execute(text(f"DELETE FROM {table}"))
        found: dict[UUID, list[datetime]] = {one: [] for one in expected}
        for schedule_id, fire_at in made:
            found[schedule_id].append(fire_at)
        assert found == expected
        assert jobs == len(made), "a time became two jobs"


async def put(db: Database, begins: datetime, ends: datetime) -> dict[UUID, list[datetime]]:
    """Schedules of each kind; answers the times that each must meet, the fixed one once a day."""
    expected = {}
    bounds = {"starts": begins, "ends": ends}
    async with db.platform() as session:
        for name, when in {
            "fixed": Cron("30 2 * * *", BERLIN),
            "each": Cron("*/30 * * * *", BERLIN),
            "interval": Every(HALF_AN_HOUR.total_seconds()),
        }.items():
            made = await schedule(
                session, name, when, Nothing(), organization_id=PLATFORM_ORGANIZATION_ID, missed="skip", **bounds
            )
            if name == "fixed":
                met = preview(when, begins - HALF_AN_HOUR, 100, **bounds).next_fires
                days = [time.astimezone(zone(BERLIN)).date() for time in met]
                assert sorted(set(days)) == days, "the fixed time comes once a day"
            else:
                met = [begins + number * HALF_AN_HOUR for number in range((ends - begins) // HALF_AN_HOUR + 1)]
            expected[made.id] = met
    return expected


async def meet(db: Database, schedulers: tuple[Dies, Scheduler, Scheduler]) -> None:
    """One worker dies over it, two others meet it at once; then the clock goes back, and it is met again."""
    dies, *others = schedulers
    with pytest.raises(ConnectionResetError):
        await dies.work()
    await asyncio.gather(*(one.work() for one in others))
    async with db.platform() as session:
        await session.execute(text("UPDATE jobs SET status = 'completed'"))
        await session.execute(text("DELETE FROM job_ready"))
        again = "UPDATE schedules SET next_fire_at = last_fire_at, due_at = last_fire_at, state = 'active'"
        await session.execute(text(f"{again} WHERE last_fire_at IS NOT NULL"))
    await others[0].work()
