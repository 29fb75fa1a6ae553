"""Memory and PostgreSQL alike: what waits is moved, or refused in the same words, and then nothing has changed."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from alike_support import Store, ask, order, put
from jobs_support import ORGANIZATION, Steer
from keys_support import Charge

from singr_config.clock import clock
from singr_jobs import (
    Flow,
    JobRunningError,
    Priority,
    change_job,
    enqueue,
    explain,
    read_job,
    run_job_now,
    set_limits,
)

OURS: dict[str, Any] = {"organization_id": ORGANIZATION}


async def test_what_no_priority_and_no_time_is_changes_nothing(store: Store) -> None:
    job_id = await put(store, run_at=clock.now() + timedelta(hours=1))
    before = await ask(store, read_job, job_id)
    past_all_time = datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=2)))
    later = clock.now() + timedelta(hours=2)
    for changes, words in (
        *(({"priority": bad, "run_at": later}, "priority must be one of") for bad in (7, -1, True, "high", 1.0)),
        ({"run_at": later.replace(tzinfo=None), "priority": Priority.HIGH}, "run_at needs a time zone"),
        ({"run_at": "tomorrow", "priority": Priority.HIGH}, "run_at must be a datetime with its time zone"),
        ({"run_at": past_all_time, "priority": Priority.HIGH}, "run_at must lie in the years 1 to 9999 in UTC"),
    ):
        with pytest.raises(ValueError, match=words):
            await order(store, change_job, job_id, **OURS, **changes)
        assert await ask(store, read_job, job_id) == before
    view = await order(store, change_job, job_id, **OURS, priority=2, run_at=datetime(1, 1, 1, tzinfo=UTC))
    assert (view.priority, view.run_at < before.run_at) == ("low", True)


async def test_the_time_of_what_waits_for_another_member_is_not_moved(store: Store) -> None:
    later, flow = clock.now() + timedelta(hours=1), Flow("chain")
    first = flow.add(Steer("first"))
    due, delayed = flow.add(Steer("b"), after=first), flow.add(Steer("c"), after=first, run_at=later)
    await ask(store, enqueue, flow, **OURS)
    assert (await order(store, run_job_now, due.id, **OURS)).status == "pending"  # it is due, as far as its time goes
    with pytest.raises(JobRunningError, match="waits for something else than its time or its turn"):
        await order(store, run_job_now, delayed.id, **OURS)
    for job_id in (due.id, delayed.id):
        with pytest.raises(JobRunningError, match="waits for something else than its time or its turn"):
            await order(store, change_job, job_id, **OURS, priority=Priority.HIGH, run_at=later)
    kept = [await ask(store, read_job, job_id) for job_id in (due.id, delayed.id)]
    assert [(one.priority, one.run_at == later) for one in kept] == [("normal", False), ("normal", True)]
    assert (await order(store, change_job, due.id, **OURS, priority=Priority.HIGH)).priority == "high"


async def test_the_time_of_what_is_parked_by_its_key_is_not_moved(served: Store) -> None:
    job_id = await ask(served, enqueue, Charge("7"), **OURS)
    await order(served, set_limits, "test.charge", concurrency=0)
    await served.look()
    assert (await ask(served, explain, job_id)).state == "parked"
    before = await order(served, run_job_now, job_id, **OURS)  # it is due
    with pytest.raises(JobRunningError, match="waits for something else than its time or its turn"):
        await order(served, change_job, job_id, **OURS, run_at=clock.now() + timedelta(hours=1))
    assert (await order(served, change_job, job_id, **OURS, priority=Priority.LOW)).run_at == before.run_at
