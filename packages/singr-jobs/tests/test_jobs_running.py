"""A job's life with a real worker: attempts, retries, timeouts, cancelling, order, limits."""

import asyncio
import gc
import weakref
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from jobs_support import ORGANIZATION, Steer, jobs, put, until

from singr_config.clock import clock as process_clock
from singr_dev.clock import VirtualClock
from singr_jobs import (
    DeclarationError,
    JobEndedError,
    JobNotFoundError,
    JobStatus,
    JobTelemetry,
    JobWorker,
    Priority,
    Queue,
    QueueOptions,
    Rate,
    Waker,
    cancel_job,
    enqueue,
    list_jobs,
    read_job,
    redis_client,
    redis_transport,
)
from singr_observability import build_metrics


async def test_job_exists_exactly_when_its_transaction_commits(db, waker, working, pulse, reaches):
    async with db.tenant(ORGANIZATION) as session:
        lost = await enqueue(session, Steer("rolled back"), organization_id=ORGANIZATION)
        await session.rollback()
    kept = await put(db, "kept")
    async with working():
        await reaches(kept, "completed")
    assert pulse.ran == ["kept"]
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(JobNotFoundError):
            await read_job(session, lost)


async def test_failed_attempts_are_retried_with_backoff_and_kept_as_history(db, waker, working, reaches):
    job_id = await put(db, "a", "fail", "fail", "result")
    async with working():
        job = await reaches(job_id, "completed")
    assert (job.attempt, job.progress, job.result) == (3, 100, {"sent": 2})
    assert [(a.attempt, a.outcome, a.error.code) for a in job.attempts] == [
        (1, "failed", "ValueError"),
        (2, "failed", "ValueError"),
    ]
    waits = [later.started_at - earlier.finished_at for earlier, later in pairwise(job.attempts)]
    assert waits[0] >= timedelta(seconds=0.045)


async def test_errors_are_stored_without_their_secrets(db, waker, working, reaches):
    job_id = await put(db, "a", "fail", attempts=1)
    async with working():
        job = await reaches(job_id, "failed")
    assert "abcdef0123456789" not in job.error.message
    assert "no luck" in job.error.message


async def test_spent_attempts_fail_the_job(db, waker, working, reaches, pulse):
    job_id = await put(db, "a", "fail")
    async with working():
        job = await reaches(job_id, "failed")
    assert job.attempt == 3
    assert len(job.attempts) == 3
    assert job.finished_at is not None
    assert pulse.ran == ["a"] * 3


async def test_permanent_error_fails_at_once(db, waker, working, reaches):
    job_id = await put(db, "a", "permanent")
    async with working():
        job = await reaches(job_id, "failed")
    assert job.attempt == 1
    assert (job.error.code, job.error.message) == ("no_such_thing", "there is no such thing")


async def test_retry_later_waits_at_least_as_long_as_asked(db, waker, working, reaches):
    job_id = await put(db, "a", "later", "ok")
    async with working():
        job = await reaches(job_id, "completed")
    assert job.started_at - job.attempts[0].finished_at >= timedelta(seconds=0.4)
    assert job.attempts[0].error.code == "busy"


async def test_attempt_that_is_held_back_counts_as_if_it_had_not_been(db, waker, working, reaches, pulse):
    job_id = await put(db, "a", "held", attempts=1)
    async with working():
        job = await reaches(job_id, "completed")
    assert (job.attempt, job.attempts) == (1, [])
    assert pulse.ran == ["a"] * 5


async def test_attempt_that_takes_too_long_is_cut_off_and_retried(db, waker, working, reaches):
    job_id = await put(db, "a", "hang", "ok", timeout=0.2)
    async with working():
        job = await reaches(job_id, "completed")
    assert [(a.outcome, a.error.code) for a in job.attempts] == [("timed_out", "timeout")]


async def test_a_queues_own_timeout_caps_the_jobs(db, waker, working, reaches):
    job_id = await put(db, "a", "hang", attempts=1, timeout=600)
    async with working(queues={Queue.DEFAULT: QueueOptions(timeout=0.2)}):
        job = await reaches(job_id, "failed")
    assert job.error.code == "timeout"


async def test_result_that_cannot_be_stored_fails_the_job_and_says_so(db, waker, working, reaches):
    job_id = await put(db, "a", "nul")
    neighbour = await put(db, "b", "result")
    async with working():
        job = await reaches(job_id, "failed")
        await reaches(neighbour, "completed")
    assert job.error.code == "result_not_storable"


async def test_progress_shows_while_the_job_runs(db, waker, working, reaches, read, pulse):
    job_id = await put(db, "a", "progress")
    async with working():

        async def at_40() -> bool:
            return (await read(job_id)).progress == 40

        await until(at_40)
        assert (await read(job_id)).status == "processing"
        pulse.gate.set()
        assert (await reaches(job_id, "completed")).progress == 100


async def test_job_that_has_ended_is_gone_without_the_collector(db, waker, working, reaches, pulse):
    gc.disable()  # with a circle in each job, it took a quarter of a worker's time
    try:
        async with working():
            await reaches(await put(db, "a"), "completed")
            report = weakref.ref(pulse.contexts.pop().report)

            async def gone() -> bool:
                return report() is None

            await until(gone)
    finally:
        gc.enable()


async def test_waiting_job_is_cancelled_at_once_and_never_runs(
    clock: VirtualClock, db, waker, working, read, pulse, reaches
):
    job_id = await put(db, "a", run_at=clock.now() + timedelta(hours=1))
    async with db.tenant(ORGANIZATION) as session:
        assert (await cancel_job(session, job_id)).status == "cancelled"
    clock.advance(hours=2)
    last = await put(db, "b")
    async with working():
        await reaches(last, "completed")
    assert pulse.ran == ["b"]
    async with db.tenant(ORGANIZATION) as session:  # once more changes nothing
        assert (await cancel_job(session, job_id)).status == "cancelled"


async def test_running_job_is_stopped_soon_after_it_is_cancelled(db, waker, working, reaches, pulse):
    job_id = await put(db, "a", "hang")
    async with working(lease=30.0):  # so long that only the word through Redis can be what stops it
        await until(lambda: pulse.ran == ["a"])
        async with db.tenant(ORGANIZATION) as session:
            answer = await cancel_job(session, job_id)
        assert (answer.status, answer.cancel_requested) == ("processing", True)
        job = await reaches(job_id, "cancelled")
    assert job.attempts[0].outcome == "cancelled"
    assert pulse.contexts[0].cancelled()


async def test_ended_job_cannot_be_cancelled(db, waker, working, reaches):
    job_id = await put(db)
    async with working():
        await reaches(job_id, "completed")
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(JobEndedError, match="completed"):
            await cancel_job(session, job_id)


async def test_due_jobs_run_in_order_of_priority_then_time(db, working, pulse):
    await put(db, "low", priority=Priority.LOW)
    await put(db, "first")
    await put(db, "second")
    await put(db, "high", priority=Priority.HIGH)
    async with working(concurrency=1):
        await until(lambda: len(pulse.ran) == 4)
    assert pulse.ran == ["high", "first", "second", "low"]


async def test_a_job_does_not_run_before_its_time(clock: VirtualClock, db, waker, working, reaches, pulse):
    due = clock.now() + timedelta(days=1)
    later = await put(db, "later", run_at=due)
    async with working():
        await reaches(await put(db, "at once"), "completed")
        assert pulse.ran == ["at once"]
        clock.move_to(due)
        assert (await reaches(later, "completed")).started_at >= due


@pytest.mark.parametrize("ahead", [3600, -3600], ids=["ahead", "behind"])
async def test_a_worker_whose_clock_is_an_hour_off_retries_and_completes_as_any_other(
    db, waker, working, reaches, ahead
):
    with process_clock.moved(lambda: ahead * 10**9):
        async with working():
            job = await reaches(await put(db, "a", "fail", "held"), "completed")
    assert (job.attempt, [one.outcome for one in job.attempts]) == (2, ["failed"])
    assert job.created_at <= job.attempts[0].finished_at <= job.finished_at


async def waking(waker: Waker, queue: Queue) -> None:
    """Say again and again that a queue has work, more often than a poll is due."""
    while True:
        waker.wake({queue})
        await asyncio.sleep(0.05)


async def test_delayed_jobs_come_due_though_other_queues_are_busy(db, waker, working, reaches, pulse):
    job_id = await put(db, "a", run_at=datetime.now(UTC) + timedelta(seconds=0.7))
    both = {Queue.DEFAULT: QueueOptions(), Queue.SMS: QueueOptions()}
    async with working(queues=both):
        busy = asyncio.create_task(waking(waker, Queue.SMS))
        await reaches(job_id, "completed")
        busy.cancel()


async def test_one_organizations_backlog_does_not_delay_anothers_job(db, working, pulse):
    for number in range(60):
        await put(db, f"many-{number}")
    await put(db, "one", organization_id=UUID("01920000-0000-7000-8000-0000000000bb"))
    async with working(concurrency=1):
        await until(lambda: "one" in pulse.ran)
    assert pulse.ran.index("one") <= 20  # lots are drawn at each turn: by the 20th it is certain, to one in a million


async def test_a_flood_of_urgent_jobs_does_not_delay_anothers_that_is_not(db, working, pulse):
    for number in range(60):
        await put(db, f"many-{number}", priority=Priority.HIGH)
    await put(db, "one", organization_id=UUID("01920000-0000-7000-8000-0000000000bb"), priority=Priority.LOW)
    async with working(concurrency=1):
        await until(lambda: "one" in pulse.ran)
    assert pulse.ran.index("one") <= 20  # as above


async def older(db, span, *tables, column="run_at"):
    """Whatever is there was due, or made, so much earlier."""
    async with db.psycopg.connection() as connection:
        for table in tables:
            await connection.execute(f"UPDATE {table} SET {column} = {column} - interval '{span}'")


async def test_an_organizations_own_jobs_go_by_priority_and_rise_while_they_wait(db, working, pulse):
    await put(db, "low and old", priority=Priority.LOW)
    await older(db, "1 hour", "jobs", "job_ready")
    await put(db, "low", priority=Priority.LOW)
    await put(db, "normal")
    await put(db, "urgent", priority=Priority.HIGH)
    async with working(concurrency=1):
        await until(lambda: len(pulse.ran) == 4)
    assert pulse.ran == ["low and old", "urgent", "normal", "low"]


@pytest.mark.parametrize("rate", [Rate(1, seconds=0.2), Rate(2, seconds=0.2)], ids=["one", "two"])
async def test_a_rate_of_less_than_a_look_is_used_up(db, waker, working, pulse, rate):
    """The next job begins when it may, not when somebody looks the next time."""
    for number in range(5):
        await put(db, f"job-{number}")
    async with working(queues={Queue.DEFAULT: QueueOptions(rate=rate)}, poll=30.0, lease=120.0):
        await until(lambda: len(pulse.ran) == 5)


async def test_more_organizations_than_one_round_looks_at_are_all_served(db, working, pulse):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    async with db.platform() as session:
        for number in range(1, 451):  # the first 400 have nothing due
            organization = UUID(int=number << 64)
            await enqueue(
                session,
                Steer(str(number)),
                organization_id=organization,
                run_at=tomorrow if number <= 400 else None,
            )
    async with working(concurrency=20):
        await until(lambda: len(pulse.ran) == 50)
    assert {int(name) for name in pulse.ran} == set(range(401, 451))


async def test_no_more_jobs_run_at_once_than_the_queue_allows(db, waker, working, pulse):
    for number in range(12):
        await put(db, f"job-{number}", "wait")
    async with working(concurrency=3):
        await until(lambda: pulse.running == 3)
        await asyncio.sleep(0.5)
        assert pulse.most_running == 3
        pulse.gate.set()
        await until(lambda: len(pulse.ran) == 12)
    assert pulse.most_running == 3


async def test_jobs_behind_long_ones_go_to_a_process_that_has_room(db, waker, working, pulse):
    """Quick jobs make a process claim ahead; what then waits behind long ones is given back within moments."""
    for number in range(60):
        await put(db, f"quick {number}")
    one = {Queue.DEFAULT: QueueOptions(concurrency=2)}
    async with working(queues=one) as first:
        await until(lambda: len(pulse.ran) == 60, what="the quick ones ran")
        await until(lambda: first.in_hand()["default"] == 0, what="their outcomes are written")
        for number in range(8):
            await put(db, f"long {number}", "wait")
        await until(lambda: pulse.running == 2, what="two long ones run")
        async with working(queues=one), working(queues=one), working(queues=one):
            await until(lambda: pulse.running == 8, what="the idle processes run the others")
            pulse.gate.set()
            await until(lambda: len(pulse.ran) == 68 and not pulse.running, what="all have run")
    assert len(set(pulse.ran)) == 68, "each ran once"
    assert {context.attempt for context in pulse.contexts} == {1}, "a job that was given back has lost no attempt"


async def test_rate_holds_over_processes_together(db, waker, working, pulse):
    for number in range(30):
        await put(db, f"job-{number}")
    limited = {Queue.DEFAULT: QueueOptions(concurrency=10, rate=Rate(5, seconds=60))}
    async with working(queues=limited), working(queues=limited):
        await until(lambda: len(pulse.ran) >= 5)
        await asyncio.sleep(1.5)
        assert len(pulse.ran) == 5


async def test_unique_key_is_held_until_its_job_ends(db, waker, working, reaches, pulse):
    first = await put(db, "a", "wait", unique_key="venue-1")
    again = await put(db, "a", unique_key="venue-1")
    elsewhere = await put(db, "b", unique_key="venue-1", organization_id=UUID("01920000-0000-7000-8000-0000000000bb"))
    assert again == first
    assert elsewhere != first
    async with working():
        await until(lambda: "a" in pulse.ran)
        assert await put(db, "a", unique_key="venue-1") == first
        pulse.gate.set()
        await reaches(first, "completed")
        assert await put(db, "a", unique_key="venue-1") != first


async def test_worker_without_a_needed_resource_does_not_start(db, settings):
    client = redis_client(settings.redis)
    with pytest.raises(DeclarationError, match=r"Pulse \(for test.steer\)"):
        JobWorker(db.psycopg, client, redis_transport(settings.redis), jobs, resources={}, name="bare")
    await client.aclose()


async def test_list_filters_and_pages_newest_first(db, waker, working, reaches):
    ids = [await put(db, f"job-{number}") for number in range(5)]
    failed = await put(db, "bad", "permanent")
    async with working():
        for job_id in ids:
            await reaches(job_id, "completed")
        await reaches(failed, "failed")
    async with db.tenant(ORGANIZATION) as session:
        first = await list_jobs(session, limit=2, status=JobStatus.COMPLETED)
        second = await list_jobs(session, limit=10, status=JobStatus.COMPLETED, cursor=first.next_cursor)
        bad = await list_jobs(session, limit=10, status=JobStatus.FAILED, queue=Queue.DEFAULT, job_type="test.steer")
        none = await list_jobs(session, limit=10, created_before=datetime.now(UTC) - timedelta(hours=1))
    assert [job.id for job in (*first.items, *second.items)] == ids[::-1]
    assert second.next_cursor is None
    assert [job.id for job in bad.items] == [failed]
    assert none.items == ()


async def test_how_long_a_job_waited_is_measured(db, waker, working, reaches):
    metrics = build_metrics()
    job_id = await put(db, "a")
    other = await put(db, "b")
    await older(db, "1 hour", "jobs", "job_ready")
    await older(db, "7 seconds", "jobs", column="created_at")
    async with working(observer=JobTelemetry(metrics)):
        await reaches(job_id, "completed")
        await reaches(other, "completed")
    [wait] = metrics.render_json()["singr_job_wait_seconds"]["values"]
    assert wait["labels"] == {"queue": "default", "type": "test.steer"}
    assert wait["count"] == 2
    assert 14 <= wait["sum"] < 120, "what was due before it was there waited only since it was"


def test_stalled_jobs_are_counted_from_0_so_that_the_first_one_is_an_increase():
    metrics = build_metrics()
    JobTelemetry(metrics)
    counted = metrics.render_json()["singr_jobs_stalled"]["values"]
    found = {(one["labels"]["queue"], one["value"]) for one in counted}
    assert found == {(queue.value, 0) for queue in Queue.declared()}
