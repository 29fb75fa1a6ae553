"""Memory and PostgreSQL alike: one act on all that fits a filter."""

from typing import Any

import pytest
from alike_support import Memory, Store, ask, order, put
from jobs_support import ORGANIZATION

from singr_db import new_id
from singr_jobs import (
    BulkActionEndedError,
    BulkActionError,
    BulkActionNotFoundError,
    BulkFilter,
    BulkRequest,
    JobStatus,
    Priority,
    act_in_bulk,
    cancel_job,
    dead_letters,
    list_bulk,
    preview_bulk,
    read_bulk,
    read_job,
    stop_bulk,
)


def wanted(action: Any, **options: Any) -> BulkRequest:
    which = BulkFilter(type="test.steer", **options.pop("which", {}))
    return BulkRequest(action=action, which=which, organization_id=ORGANIZATION, **options)


async def test_jobs_that_fit_are_cancelled_or_ranked_and_others_are_not(store: Store) -> None:
    first, second = [await put(store, name) for name in "ab"]
    theirs, other = (
        await put(store, "c", organization_id=(whose := new_id())),
        await put(store, "d", priority=Priority.LOW),
    )
    seen = await ask(store, preview_bulk, wanted("reprioritize", priority=Priority.LOW))
    assert (seen.matching, seen.counted, [one.id for one in seen.examples]) == (2, "exact", [first, second])
    made = await order(store, act_in_bulk, wanted("reprioritize", priority=Priority.LOW, reason="it may wait"))
    assert (made.state, made.matching, made.priority, made.reason) == ("running", 2, "low", "it may wait")
    await store.act()
    told = await ask(store, read_bulk, made.id, organization_id=ORGANIZATION)
    assert (told.state, told.done, told.skipped) == ("done", 2, 0)
    assert [(await ask(store, read_job, one)).priority for one in (first, second, other)] == ["low"] * 3
    await order(store, act_in_bulk, wanted("cancel"))
    await store.act()
    assert [(await ask(store, read_job, one)).status for one in (first, second, other)] == [JobStatus.CANCELLED] * 3
    assert (await ask(store, read_job, theirs, whose=whose)).status is JobStatus.PENDING
    assert len((await ask(store, list_bulk, organization_id=ORGANIZATION, limit=1)).items) == 1
    for function in (read_bulk, stop_bulk):
        with pytest.raises(BulkActionNotFoundError):
            await order(store, function, made.id, organization_id=whose)
    with pytest.raises(BulkActionEndedError):
        await order(store, stop_bulk, made.id, organization_id=ORGANIZATION)


async def test_letters_that_fit_are_requeued_but_those_whose_key_is_held(store: Store) -> None:
    bad = [await put(store, name, "permanent", unique_key=name) for name in "ab"]
    await store.work()
    holder = await put(store, "holder", unique_key="a")
    made = await order(store, act_in_bulk, wanted("requeue", which={"error_code": "no_such_thing"}))
    await store.act()
    told = await ask(store, read_bulk, made.id, organization_id=ORGANIZATION)
    assert (told.state, told.matching, told.done, told.skipped) == ("done", 2, 1, 1)
    [problem] = told.problems
    assert (problem.code, problem.job_id, str(holder) in problem.message) == ("unique-key-held", bad[0], True)
    assert {one.job_id: one.state for one in (await ask(store, dead_letters)).items} == {
        bad[0]: "open",
        bad[1]: "requeued",
    }


async def test_what_would_concern_all_is_refused(store: Store) -> None:
    for request in (
        BulkRequest(action="cancel", which=BulkFilter(), organization_id=ORGANIZATION),
        wanted("reprioritize"),
        wanted("discard", rate_per_minute=0),
    ):
        with pytest.raises(BulkActionError):
            await order(store, act_in_bulk, request)


async def test_a_rate_is_kept_by_the_clock_of_memory_and_what_is_stopped_goes_no_further(pulse: Any) -> None:
    memory = Memory.of(pulse)
    for name in "abcd":
        await put(memory, name, attempts=1, timeout=5)
    made = await act_in_bulk(memory, wanted("cancel", rate_per_minute=60))
    memory.bulk.work()
    memory.advance(1)
    memory.bulk.work()
    assert (await read_bulk(memory, made.id, organization_id=None)).done == 2
    assert (await stop_bulk(memory, made.id, organization_id=None)).state == "stopped"
    await memory.run_until_done()
    assert [job.status for job in memory.all] == ["cancelled", "cancelled", "completed", "completed"]
    other = await put(memory, "e")
    late = await act_in_bulk(memory, wanted("cancel"))
    await cancel_job(memory, other)
    memory.bulk.work()
    told = await read_bulk(memory, late.id, organization_id=None)
    assert (told.state, told.matching, told.done, told.skipped) == ("done", 1, 0, 0)
