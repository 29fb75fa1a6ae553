"""Whatever interrupts an attempt, and whenever: it ends once, as what came first says, and leaves its place."""

from collections.abc import Callable

import msgspec
import pytest
from jobs_support import Pulse, lies, put, until

from singr_db import Database
from singr_jobs.running._runner import Runner
from singr_jobs.taking._claimed import ClaimedJob

Interrupts = Callable[[Runner, ClaimedJob], None]


class Tidy(msgspec.Struct, frozen=True, tag="test.tidy"):
    """Puts in order what it began, once it is interrupted."""


def interrupted_at_once(runner: Runner, monkeypatch: pytest.MonkeyPatch, interrupt: Interrupts) -> None:
    """What is begun from now on is interrupted before its first step."""
    begin = runner._begin

    def begin_and_interrupt(line, jobs, **options) -> None:
        begin(line, jobs, **options)
        for job in jobs:
            interrupt(runner, job)

    monkeypatch.setattr(runner, "_begin", begin_and_interrupt)


@pytest.mark.parametrize(
    "interrupt",
    [
        lambda runner, job: runner._cancel(job.id),
        lambda runner, job: runner._renewed([job], {job.token}, {job.id}),
    ],
    ids=["by-a-word", "by-its-row"],
)
async def test_a_job_that_is_cancelled_before_its_first_step_ends_and_leaves_its_place(
    db: Database, working, reaches, pulse: Pulse, monkeypatch: pytest.MonkeyPatch, interrupt: Interrupts
):
    async with working(concurrency=1) as worker:
        with monkeypatch.context() as patching:
            interrupted_at_once(worker._runner, patching, interrupt)
            job = await reaches(await put(db, "a"), "cancelled")
        await reaches(await put(db, "b"), "completed")
        assert worker.in_hand() == {"default": 0}
    assert [attempt.outcome for attempt in job.attempts] == ["cancelled"]
    assert pulse.ran == ["b"]


async def test_a_job_whose_lease_is_lost_before_its_first_step_leaves_its_place(
    db: Database, working, reaches, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
):
    async with working(concurrency=1) as worker:
        with monkeypatch.context() as patching:
            interrupted_at_once(worker._runner, patching, lambda runner, job: runner._renewed([job], set(), set()))
            await put(db, "a")
            await until(lambda: worker.in_hand() == {"default": 1}, what="it is begun")
            await until(lambda: worker.in_hand() == {"default": 0}, what="it is in hand no more")
        await reaches(await put(db, "b"), "completed")
    assert pulse.ran == ["b"]


async def test_a_stop_before_a_jobs_first_step_hands_it_back_uncounted(
    db: Database, working, read, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
):
    async with working(lease=60.0, grace=0.1) as worker:
        interrupted_at_once(worker._runner, monkeypatch, lambda runner, job: runner.cut_off())
        job_id = await put(db, "a")
        await until(lambda: worker.in_hand() == {"default": 1})
    assert (await read(job_id)).attempt == 0
    assert (await lies(db, job_id), pulse.ran) == ("ready", [])
