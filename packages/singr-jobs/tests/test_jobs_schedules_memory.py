"""Schedules of jobs in memory keep the rules of the database's, by the test's own clock."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from jobs_support import ORGANIZATION, Pulse, Steer
from jobs_support import jobs as steered

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
from singr_jobs.testing import InMemoryJobs

NOON = datetime(2026, 10, 24, 12, tzinfo=UTC)
OURS: dict[str, Any] = {"organization_id": ORGANIZATION}


@pytest.fixture
def memory() -> InMemoryJobs:
    return InMemoryJobs(steered, resources={Pulse: Pulse()}, now=NOON)


async def outcomes(memory: InMemoryJobs, name: str = "n") -> list[str]:
    """What became of a schedule's times, in their order."""
    found = await read_schedule(memory, name, **OURS)
    return [fire.outcome for fire in reversed((await list_fires(memory, found.id, **OURS)).items)]


async def test_a_time_becomes_a_job_once_the_clock_has_reached_it(memory: InMemoryJobs):
    await schedule(memory, "n", Cron("30 2 * * *", "Europe/Berlin"), Steer("a"), attempts=7, **OURS)
    memory.advance(12 * 3600)
    assert await memory.run_due() == []
    memory.advance(1800)
    [job] = await memory.run_due()
    assert (job.job, job.max_attempts, job.status) == (Steer("a"), 7, "completed")
    seen = await read_schedule(memory, "n", **OURS)
    assert seen.last_job_id == job.id
    assert seen.last_fire_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert seen.next_fire_at == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "met"),
    [
        ({}, ["missed", "fired"]),
        ({"missed": Skip}, ["missed"]),
        ({"missed": All}, ["fired", "fired", "fired"]),
        ({"missed": Skip, "ends": NOON + timedelta(hours=1)}, ["missed"]),
    ],
)
async def test_missed_times_are_made_up_for_as_it_was_asked(memory: InMemoryJobs, options: Any, met: list[str]):
    await schedule(memory, "n", Every(3600), Steer("a"), **options, **OURS)
    memory.advance(3.5 * 3600)
    for _ in range(4):
        await memory.run_due()
        memory.advance(2)
    assert await outcomes(memory) == met


@pytest.mark.parametrize(
    ("overlap", "met", "statuses"),
    [
        (None, ["fired", "skipped"], ["pending"]),
        (Queue, ["fired"], ["pending"]),
        (CancelRunning, ["fired", "fired"], ["cancelled", "pending"]),
    ],
)
async def test_a_time_while_the_job_before_is_unfinished_is_met_as_it_was_asked(
    overlap: Any, met: list[str], statuses: list[str]
):
    memory = InMemoryJobs(steered, now=NOON, queues=[])
    await schedule(memory, "n", Every(60), Steer("a"), overlap=overlap, **OURS)
    for _ in range(2):
        memory.advance(60)
        await memory.run_due()
    assert await outcomes(memory) == met
    assert [job.status for job in memory.all] == statuses


async def test_a_paused_schedule_rests_runs_when_asked_and_goes_on(memory: InMemoryJobs):
    await schedule(memory, "n", Every(60), Steer("a"), **OURS)
    assert (await pause_schedule(memory, "n", **OURS)).next_fire_at is None
    await schedule(memory, "n", Every(60), Steer("a"), **OURS)
    memory.advance(600)
    assert await memory.run_due() == []
    await run_schedule_now(memory, "n", **OURS)
    assert len(await memory.run_due()) == 1
    assert (await resume_schedule(memory, "n", **OURS)).state == "active"
    memory.advance(60)
    assert len(await memory.run_due()) == 1
    assert await outcomes(memory) == ["asked", "fired"]


async def test_once_is_once_and_then_has_ended_and_can_be_said_again(memory: InMemoryJobs):
    when = Once(NOON + timedelta(hours=1))
    made = await schedule(memory, "n", when, Steer("a"), **OURS)
    memory.advance(7200)
    assert (await schedule(memory, "n", when, Steer("b"), **OURS)).id == made.id
    [job] = await memory.run_until_done()
    assert job.job == Steer("b")
    assert (await schedule(memory, "n", when, Steer("b"), **OURS)).state == "ended"
    with pytest.raises(ScheduleEndedError):
        await pause_schedule(memory, "n", **OURS)
    with pytest.raises(ScheduleError, match="all are in the past"):
        await schedule(memory, "new", when, Steer("b"), **OURS)


async def test_schedules_are_an_organizations_own_and_a_deleted_one_is_gone(memory: InMemoryJobs):
    made = await schedule(memory, "n", Every(60), Steer("a"), **OURS)
    with pytest.raises(ScheduleNotFoundError):
        await delete_schedule(memory, made.id, organization_id=uuid4())
    assert [one.name for one in (await list_schedules(memory, **OURS)).items] == ["n"]
    assert (await list_schedules(memory, state="paused", **OURS)).items == ()
    await delete_schedule(memory, made.id, **OURS)
    memory.advance(60)
    assert await memory.run_until_done() == []
    assert (await list_schedules(memory, **OURS)).items == ()


async def test_a_schedule_in_memory_pauses_after_so_many_failures(memory: InMemoryJobs):
    await schedule(memory, "n", Every(60), Steer("a", ("permanent",)), pause_after=2, **OURS)
    for _ in range(3):
        memory.advance(60)
        await memory.run_due()
    assert await outcomes(memory) == ["fired", "fired", "refused"]
    assert "2 times in a row" in str((await read_schedule(memory, "n", **OURS)).problem)
