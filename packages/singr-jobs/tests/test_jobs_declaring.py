"""Declaring, enqueuing wrongly, backoff, batching, and jobs in memory."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import msgspec
import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, jobs

from singr_db import new_id
from singr_jobs import (
    DeclarationError,
    EnqueueError,
    Exponential,
    GroupCommit,
    Jobs,
    JobStatus,
    PermanentError,
    QueueOptions,
    Rate,
    WorkerOptions,
    enqueue,
)
from singr_jobs.testing import InMemoryJobs


class Plain(msgspec.Struct, frozen=True):
    pass


class Tagged(msgspec.Struct, frozen=True, tag="test.tagged"):
    pass


class Unclear(msgspec.Struct, frozen=True, tag="test.unclear"):
    either: Plain | dict[str, str]


class Shared(msgspec.Struct, frozen=True, tag="test.shared"):
    pass


async def nothing(job: object, context: object) -> None:
    pass


def test_wrong_declarations_are_refused_when_they_are_made():
    with pytest.raises(DeclarationError, match="needs a string tag"):
        Jobs().handler(Plain)(nothing)
    with pytest.raises(DeclarationError, match="must be a function, async or plain, without yield"):
        Jobs().handler(Tagged)(lambda _job, _context: (yield))
    with pytest.raises(DeclarationError, match="must be a function, async or plain, without yield"):
        Jobs().handler(Tagged)("nothing")  # type: ignore[call-overload]  # what is refused
    with pytest.raises(DeclarationError, match="attempts must be 1 to 100"):
        Jobs().handler(Tagged, attempts=0)(nothing)
    with pytest.raises(DeclarationError, match="timeout must be above 0"):
        Jobs().handler(Tagged, timeout=0)(nothing)
    with pytest.raises(DeclarationError, match=r"'test\.unclear': its struct cannot be read from JSON: .*union"):
        Jobs().handler(Unclear)(nothing)
    twice = Jobs()
    twice.handler(Tagged)(nothing)
    with pytest.raises(DeclarationError, match="declared twice"):
        twice.handler(Tagged)(nothing)


async def test_a_declaration_elsewhere_changes_no_options_of_a_handler_here():
    """Which of both `enqueue` took would depend on the order of imports."""
    worker, web = Jobs(), Jobs()
    worker.handler(Shared, attempts=7)(nothing)
    web.declare(Shared, attempts=7)
    with pytest.raises(DeclarationError, match=r"'test\.shared': attempts is 2 here, and was declared as 7"):
        web.declare(Shared, attempts=2)
    memory = InMemoryJobs(worker)
    await enqueue(memory, Shared(), organization_id=ORGANIZATION)
    assert [job.max_attempts for job in memory.all] == [7]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Exponential(0), "first must be above 0"),
        (lambda: Exponential(1, jitter=1), "jitter must be"),
        (lambda: Rate(0), "rate: count must be at least 1"),
        (lambda: QueueOptions(concurrency=0), "concurrency must be at least 1"),
        (lambda: QueueOptions(timeout=-1), "timeout must be above 0"),
        (lambda: WorkerOptions(queues={}), "at least one queue"),
        (lambda: WorkerOptions(lease=1), "at least three times poll"),
    ],
)
def test_options_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_backoff_doubles_within_its_jitter_up_to_its_longest():
    backoff = Exponential(2.0, longest=60.0)
    for attempt, exact in [(1, 2), (2, 4), (3, 8), (6, 60), (1000, 60)]:
        assert 0.9 * exact <= backoff.delay(attempt) <= 1.1 * exact
    assert Exponential(2.0, jitter=0).delay(3) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"run_at": datetime(2030, 1, 1)}, "time zone"),  # noqa: DTZ001 - what is refused
        ({"attempts": 0}, "attempts must be 1 to 100"),
        ({"timeout": 0}, "timeout must be above 0"),
        ({"unique_key": ""}, "1 to 255 characters"),
        ({"run_at": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))}, "run_at must lie in the years"),
        ({"run_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=12)))}, "run_at must lie in the years"),
        ({"job_id": uuid4()}, "job_id must be a UUID version 7"),
        ({"job_id": str(new_id())}, "job_id must be a UUID version 7"),
    ],
)
async def test_enqueue_refuses_options_out_of_range(options, message):
    with pytest.raises(EnqueueError, match=message):
        await enqueue(InMemoryJobs(jobs), Steer("a"), organization_id=ORGANIZATION, **options)


async def test_enqueue_of_an_undeclared_job_says_how_to_declare_it():
    with pytest.raises(EnqueueError, match=r"@jobs.handler\(Plain"):
        await enqueue(InMemoryJobs(jobs), Plain(), organization_id=ORGANIZATION)


async def test_memory_jobs_keep_a_workers_rules():
    memory = InMemoryJobs(jobs, resources={Pulse: Pulse()})
    ok = await enqueue(memory, Steer("ok", ("result",)), organization_id=ORGANIZATION)
    flaky = await enqueue(memory, Steer("flaky", ("fail", "ok")), organization_id=ORGANIZATION)
    hopeless = await enqueue(memory, Steer("hopeless", ("permanent",)), organization_id=ORGANIZATION)
    late = await enqueue(
        memory, Steer("late"), organization_id=ORGANIZATION, run_at=datetime.now(UTC) + timedelta(hours=1)
    )
    assert {job.id for job in await memory.run_due()} == {ok, flaky, hopeless}
    states = {job.id: job.status for job in memory.all}
    assert states == {
        ok: JobStatus.COMPLETED,
        flaky: JobStatus.PENDING,
        hopeless: JobStatus.FAILED,
        late: JobStatus.PENDING,
    }
    await memory.run_until_done()
    assert {job.id: job.attempt for job in memory.all} == {ok: 1, flaky: 2, hopeless: 1, late: 1}
    assert memory.enqueued(Steer)[0] == Steer("ok", ("result",))


async def test_memory_jobs_hold_unique_keys_and_ids():
    memory = InMemoryJobs(jobs, resources={Pulse: Pulse()})
    first = await enqueue(memory, Steer("a"), organization_id=ORGANIZATION, unique_key="k")
    assert await enqueue(memory, Steer("a"), organization_id=ORGANIZATION, unique_key="k") == first
    assert await enqueue(memory, Steer("a"), organization_id=ORGANIZATION, job_id=first) == first
    await memory.run_due()
    assert await enqueue(memory, Steer("a"), organization_id=ORGANIZATION, unique_key="k") != first


async def test_group_commit_batches_what_arrives_during_a_flush():
    sizes: list[int] = []
    go = asyncio.Event()

    async def flush(items: list[int]) -> list[int | BaseException]:
        sizes.append(len(items))
        await go.wait()
        return [PermanentError("odd", "odd") if item % 2 else item for item in items]

    group: GroupCommit[int, int] = GroupCommit(flush, max_batch=8)
    tasks = [asyncio.create_task(group.submit(0))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(group.submit(number)) for number in range(1, 12)]
    await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sizes == [1, 8, 3]
    assert [result for result in results if isinstance(result, int)] == [0, 2, 4, 6, 8, 10]
    await group.close()


async def test_group_commit_bounds_what_the_items_of_a_batch_weigh_together():
    batches: list[list[int]] = []

    async def flush(items: list[int]) -> list[int]:
        batches.append(items)
        await asyncio.sleep(0)
        return items

    group: GroupCommit[int, int] = GroupCommit(flush, max_weight=10, weigh=int)
    assert await asyncio.gather(*(group.submit(number) for number in (1, 5, 4, 5, 20, 3))) == [1, 5, 4, 5, 20, 3]
    assert batches == [[1, 5, 4], [5], [20], [3]]


async def test_group_commit_passes_a_failed_flush_to_all_its_callers_and_goes_on():
    fail = True

    async def flush(items: list[int]) -> list[int]:
        if fail:
            raise ConnectionError("away")
        return items

    group: GroupCommit[int, int] = GroupCommit(flush)
    results = await asyncio.gather(*(group.submit(number) for number in range(3)), return_exceptions=True)
    assert all(isinstance(result, ConnectionError) for result in results)
    fail = False
    assert await group.submit(7) == 7
