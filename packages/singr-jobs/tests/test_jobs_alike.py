"""Memory and PostgreSQL alike: what is read, cancelled, steered and settled is the same on both."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from alike_support import Say, Sigh, Store, ask, order, put
from jobs_support import ORGANIZATION, Steer

from singr_config.clock import clock
from singr_db import new_id
from singr_db.operation_log import ReasonError
from singr_db.pages import InvalidCursor
from singr_jobs import (
    DeadLetterNotFoundError,
    DeadLetterSettledError,
    Flow,
    JobEndedError,
    JobNotFoundError,
    JobRunningError,
    JobStatus,
    Priority,
    Queue,
    UniqueKeyHeldError,
    cancel_flow,
    cancel_job,
    change_job,
    dead_letter_groups,
    dead_letters,
    discard,
    enqueue,
    list_job_logs,
    list_jobs,
    list_members,
    read_dead_letter,
    read_flow,
    read_job,
    requeue,
    retry_job,
    run_job_now,
)

OURS: dict[str, Any] = {"organization_id": ORGANIZATION}


def facts(view: Any, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(view, name) for name in names)


async def test_a_job_is_read_as_it_was_asked_for(store: Store) -> None:
    job_id = await put(store, "a", "ok", priority=Priority.HIGH, attempts=7, unique_key="k", timeout=5)
    job = await ask(store, read_job, job_id)
    names = ("id", "organization_id", "type", "queue", "status", "priority", "attempt", "max_attempts", "unique_key")
    asked = (job_id, ORGANIZATION, "test.steer", Queue.DEFAULT, JobStatus.PENDING, "high", 0, 7, "k")
    assert facts(job, *names) == asked
    assert type(job.status) is JobStatus
    assert job.payload == {"type": "test.steer", "name": "a", "plan": ["ok"]}
    rest = (
        "progress",
        "started_at",
        "finished_at",
        "cancel_requested",
        "concurrency_key",
        "flow_id",
        "result",
        "error",
    )
    assert facts(job, *rest) == (0, None, None, False, None, None, None, None)
    assert job.attempts == []
    assert job.run_at == job.created_at


async def test_what_came_of_jobs_is_read_listed_and_mourned(store: Store) -> None:
    done, late, bad = [await put(store, *plan) for plan in (("d", "result"), ("l", "fail", "ok"), ("b", "fail"))]
    await store.work()
    job = await ask(store, read_job, done)
    assert facts(job, "status", "attempt", "progress", "result") == (JobStatus.COMPLETED, 1, 100, {"sent": 2})
    assert job.created_at <= job.started_at <= job.finished_at
    job = await ask(store, read_job, late)
    assert facts(job, "status", "attempt", "error") == (JobStatus.COMPLETED, 2, None)
    assert [facts(one, "attempt", "outcome") for one in job.attempts] == [(1, "failed")]
    job = await ask(store, read_job, bad)
    assert facts(job, "status", "attempt", "progress") == (JobStatus.FAILED, 3, 0)
    assert [facts(one, "attempt", "outcome", "error") for one in job.attempts] == [
        (number, "failed", job.error) for number in (1, 2, 3)
    ]
    assert all(one.worker and one.started_at <= one.finished_at for one in job.attempts)
    assert "abcdef" not in job.error.message
    listed = [(await ask(store, list_jobs, limit=10, status=status)).items for status in JobStatus]
    assert [[one.id for one in items] for items in listed] == [[], [], [late, done], [bad], []]
    [letter] = (await ask(store, dead_letters)).items
    assert facts(letter, "job_id", "type", "state", "attempts") == (bad, "test.steer", "open", 3)
    detail = await ask(store, read_dead_letter, letter.id)
    assert facts(detail, "history", "payload", "priority") == (job.attempts, job.payload, "normal")
    assert (detail.error, detail.max_attempts, detail.created_at) == (job.error, 3, job.created_at)


async def test_lists_are_filtered_paged_and_ones_own(store: Store) -> None:
    first, second, third = [await put(store, name) for name in "abc"]
    await put(store, "theirs", organization_id=new_id())
    page = await ask(store, list_jobs, limit=2)
    assert [one.id for one in page.items] == [third, second]
    rest = await ask(store, list_jobs, limit=2, cursor=page.next_cursor)
    assert ([one.id for one in rest.items], rest.next_cursor) == ([first], None)
    page = await ask(store, list_jobs, limit=1, oldest_first=True)
    assert [one.id for one in page.items] == [first]
    made = (await ask(store, read_job, second)).created_at
    for filters, count in (
        ({"queue": Queue.EMAIL}, 0),
        ({"job_type": "test.other"}, 0),
        ({"created_after": made - timedelta(hours=1), "job_type": "test.steer", "queue": Queue.DEFAULT}, 3),
        ({"created_before": made - timedelta(hours=1)}, 0),
    ):
        assert len((await ask(store, list_jobs, limit=10, **filters)).items) == count
    with pytest.raises(InvalidCursor):
        await ask(store, list_jobs, limit=2, cursor="nonsense")
    with pytest.raises(ValueError, match=r"status must be one of .*, not 'done'"):
        await ask(store, list_jobs, limit=2, status="done")


async def test_what_waits_is_cancelled_at_once_and_tried_again(store: Store) -> None:
    job_id = await put(store)
    view = await ask(store, cancel_job, job_id)
    assert facts(view, "status", "cancel_requested", "attempt") == (JobStatus.CANCELLED, True, 0)
    assert view.finished_at is not None
    assert facts(await ask(store, cancel_job, job_id), "status") == (JobStatus.CANCELLED,)
    again = await order(store, retry_job, job_id, **OURS)
    assert facts(again, "status", "cancel_requested", "finished_at") == (JobStatus.PENDING, False, None)
    with pytest.raises(JobRunningError):
        await order(store, retry_job, job_id, **OURS)
    await store.work()
    for act in (cancel_job, None):
        with pytest.raises(JobEndedError):
            await (ask(store, act, job_id) if act else order(store, retry_job, job_id, **OURS))


async def test_jobs_of_others_are_not_there(store: Store) -> None:
    job_id, other = await put(store), new_id()
    for function in (read_job, cancel_job):
        with pytest.raises(JobNotFoundError):
            await ask(store, function, job_id, whose=other)
    with pytest.raises(JobNotFoundError):
        await ask(store, list_job_logs, job_id, whose=other, limit=5)
    for order_ in (retry_job, run_job_now, change_job):
        with pytest.raises(JobNotFoundError):
            await order(store, order_, job_id, organization_id=other)
    with pytest.raises(Exception, match=r"organization|row-level"):
        async with store.tenant(ORGANIZATION) as session:
            await enqueue(session, Steer("x"), organization_id=other)


async def test_a_job_is_moved_and_due_at_once(store: Store) -> None:
    soon = clock.now() + timedelta(hours=1)
    job_id = await put(store, run_at=soon)
    view = await order(store, change_job, job_id, priority=Priority.LOW, run_at=soon + timedelta(hours=1), **OURS)
    assert facts(view, "priority", "run_at") == ("low", soon + timedelta(hours=1))
    view = await order(store, run_job_now, job_id, **OURS)
    assert (view.run_at < soon, view.status) == (True, JobStatus.PENDING)


async def test_each_letter_tells_what_was_logged_in_its_own_round(store: Store) -> None:
    async with store.tenant(ORGANIZATION) as session:
        await enqueue(session, Sigh(), organization_id=ORGANIZATION)
    await store.work()
    [first] = (await ask(store, dead_letters)).items
    await order(store, requeue, first.id)
    await store.work()
    second, first = (await ask(store, dead_letters)).items
    for letter in (first, second):
        detail = await ask(store, read_dead_letter, letter.id)
        assert [facts(line, "attempt", "message", "fields") for line in detail.logs] == [
            (attempt, "tried", {"attempt": attempt}) for attempt in (1, 2)
        ]
        assert detail.logs_complete


async def test_letters_are_grouped_settled_once_and_remembered(store: Store) -> None:
    bad = [await put(store, name, "permanent", unique_key=name) for name in "ab"]
    worse = await put(store, "c", "fail", attempts=1)
    await store.work()
    told = await ask(store, dead_letter_groups)
    assert [facts(one, "count", "error_code", "counted") for one in told.groups] == [
        (2, "no_such_thing", "exact"),
        (1, "ValueError", "exact"),
    ]
    assert told.complete
    assert (await ask(store, dead_letter_groups, job_type="test.none")).groups == ()
    assert len((await ask(store, dead_letters, fingerprint=told.groups[0].fingerprint, state="open")).items) == 2
    [letter] = (await ask(store, dead_letters, job_id=bad[0])).items
    holder = await put(store, "holder", unique_key="a")
    with pytest.raises(UniqueKeyHeldError) as held:
        await order(store, requeue, letter.id)
    assert held.value.job_id == holder
    await ask(store, cancel_job, holder)
    assert facts(await order(store, requeue, letter.id), "state", "job_id") == ("requeued", bad[0])
    assert facts(await ask(store, read_job, bad[0]), "status", "attempt", "error") == (JobStatus.PENDING, 0, None)
    with pytest.raises(DeadLetterSettledError):
        await order(store, discard, letter.id)
    [other] = (await ask(store, dead_letters, job_id=worse)).items
    assert (await order(store, discard, other.id)).state == "discarded"
    assert (await ask(store, read_job, worse)).status is JobStatus.FAILED
    for function in (requeue, discard):
        with pytest.raises(DeadLetterNotFoundError):
            await order(store, function, letter.id, organization_id=new_id())
    with pytest.raises(DeadLetterNotFoundError):
        await ask(store, read_dead_letter, letter.id, whose=new_id())
    with pytest.raises(TypeError, match=r"Database\.platform"):
        await ask(store, requeue, other.id)
    await store.work()
    assert [one.attempt for one in (await ask(store, read_job, bad[0])).attempts] == [1, 1]
    assert len((await ask(store, dead_letters, job_id=bad[0])).items) == 2


async def test_a_reason_that_is_no_line_stops_the_act(store: Store) -> None:
    job_id = await put(store, "a", "permanent")
    await store.work()
    [letter] = (await ask(store, dead_letters)).items
    acts: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (requeue, (letter.id,)),
        (discard, (letter.id,)),
        (retry_job, (job_id,)),
    ]
    for act, what in acts:
        with pytest.raises(ReasonError):
            await order(store, act, *what, **OURS, reason="\x1b[2J")
    assert [one.state for one in (await ask(store, dead_letters)).items] == ["open"]


async def test_what_handlers_log_is_read_by_attempt(store: Store) -> None:
    job_id = await ask(store, enqueue, Say(), **OURS)
    await store.work()
    lines = (await ask(store, list_job_logs, job_id, limit=10)).items
    assert [facts(line, "attempt", "message", "fields") for line in lines] == [
        (1, "read", {"rows": 1}),
        (2, "read", {"rows": 2}),
    ]
    page = await ask(store, list_job_logs, job_id, limit=1)
    assert len((await ask(store, list_job_logs, job_id, limit=10, cursor=page.next_cursor)).items) == 1
    assert len((await ask(store, list_job_logs, job_id, limit=10, attempt=2)).items) == 1


async def test_members_are_told_with_whom_they_wait_for(store: Store) -> None:
    flow = Flow("chain")
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    last = flow.then(Steer("report"))
    await ask(store, enqueue, flow, **OURS)
    members = (await ask(store, list_members, flow.id)).items
    assert [one.id for one in members] == sorted([first.id, second.id, last.id])
    assert {facts(one, "id", "status", "is_completion", "more_after") for one in members} == {
        (first.id, "pending", False, False),
        (second.id, "waiting", False, False),
        (last.id, "waiting", True, False),
    }
    assert {one.id: one.after for one in members} == {first.id: [], second.id: [first.id], last.id: []}
    assert (await ask(store, read_job, second.id)).flow_id == flow.id
    assert (await ask(store, read_flow, flow.id, **OURS)).on_failure == "stop"
    assert len((await ask(store, list_members, flow.id, limit=2)).items) == 2
    await ask(store, cancel_flow, flow.id, **OURS)
    view = await ask(store, read_job, second.id)
    assert facts(view, "status", "cancel_requested", "finished_at") == (JobStatus.CANCELLED, True, view.finished_at)
    assert view.finished_at is not None
