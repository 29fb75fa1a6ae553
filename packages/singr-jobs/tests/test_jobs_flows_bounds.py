"""What no flow can be, with a circle in it or without bounds, and what of it is not tried again."""

from typing import Any
from uuid import UUID

import pytest
from flows_support import CANCELLED, COMPLETED, end, stands, store
from jobs_support import ORGANIZATION, Steer, jobs, lies

from singr_db import Database, new_id
from singr_jobs import (
    Continue,
    Flow,
    FlowEndedError,
    FlowNotFoundError,
    TooManyWaitsError,
    UnknownMemberError,
    cancel_flow,
    enqueue,
    read_flow,
    retry_job,
)
from singr_jobs.testing import InMemoryJobs

OURS: dict[str, Any] = {"organization_id": ORGANIZATION}


def with_completion_job() -> Flow:
    flow = Flow("open", stays_open=True)
    flow.then(Steer("report"))
    return flow


async def test_nobody_waits_for_the_completion_job_that_waits_for_all(db: Database) -> None:
    flow = with_completion_job()
    await store(db, flow)
    more = Flow.existing(flow.id)
    more.add(Steer("circle"), after=flow.completion_id)
    with pytest.raises(UnknownMemberError, match="completion job"):
        await store(db, more)
    assert (await stands(db, flow)).total == 1


async def test_nobody_waits_for_the_completion_job_in_memory() -> None:
    memory, flow = InMemoryJobs(jobs), with_completion_job()
    await enqueue(memory, flow, **OURS)
    more = Flow.existing(flow.id)
    more.add(Steer("circle"), after=flow.completion_id)
    with pytest.raises(UnknownMemberError, match="completion job"):
        await enqueue(memory, more, **OURS)


def circle(flow: Flow) -> Flow:
    more, one, other = Flow.existing(flow.id), new_id(), new_id()
    more.add(Steer("one"), after=other, job_id=one)
    more.add(Steer("other"), after=one, job_id=other)
    return more


async def test_members_with_ids_of_their_own_that_wait_for_each_other_are_refused(db: Database) -> None:
    flow = with_completion_job()
    await store(db, flow)
    with pytest.raises(UnknownMemberError, match="added before"):
        await store(db, circle(flow))


async def test_members_that_wait_for_each_other_are_refused_in_memory() -> None:
    memory, flow = InMemoryJobs(jobs), with_completion_job()
    await enqueue(memory, flow, **OURS)
    with pytest.raises(UnknownMemberError, match="added before"):
        await enqueue(memory, circle(flow), **OURS)


async def retry(db: Database, job_id: UUID) -> None:
    async with db.platform() as session:
        await retry_job(session, job_id, **OURS)


async def test_what_its_flows_cancellation_took_along_is_not_tried_again(db: Database) -> None:
    flow = Flow("cancelled")
    second = flow.add(Steer("second"), after=flow.add(Steer("first")))
    last = flow.then(Steer("report"))
    await store(db, flow)
    async with db.tenant(ORGANIZATION) as session:
        await cancel_flow(session, flow.id, **OURS)
    for member in (second, last):
        with pytest.raises(FlowEndedError, match="cancelled already: none of its jobs"):
            await retry(db, member.id)
        assert await lies(db, member.id) == ""


async def test_a_member_that_is_tried_again_waits_again_for_its_predecessors(db: Database) -> None:
    flow = Flow("regardless", on_failure=Continue)
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    await store(db, flow)
    await end(db, second.id, CANCELLED)
    await retry(db, second.id)
    assert await lies(db, second.id) == "waiting"
    await end(db, first.id, COMPLETED)
    assert await lies(db, second.id) == "ready"


async def test_a_completion_job_that_is_tried_again_waits_for_all_others(db: Database) -> None:
    flow = Flow("regardless", on_failure=Continue)
    first = flow.add(Steer("first"))
    last = flow.then(Steer("report"))
    await store(db, flow)
    await end(db, last.id, CANCELLED)
    await retry(db, last.id)
    assert await lies(db, last.id) == "waiting"
    await end(db, first.id, COMPLETED)
    assert await lies(db, last.id) == "ready"
    await end(db, last.id, CANCELLED)
    await retry(db, last.id)
    assert await lies(db, last.id) == "ready"
    assert (await stands(db, flow)).state == "running"


async def test_what_was_cancelled_with_its_flow_is_not_tried_again_in_memory() -> None:
    memory, flow = InMemoryJobs(jobs), Flow("cancelled")
    first = flow.add(Steer("first"))
    await enqueue(memory, flow, **OURS)
    await cancel_flow(memory, flow.id, **OURS)
    with pytest.raises(FlowEndedError):
        await retry_job(memory, first.id, **OURS)


def layers(*widths: int) -> Flow:
    """Each job of a layer waits for all of the layer before."""
    flow, before = Flow("layers"), []
    for width in widths:
        before = [flow.add(Steer("one"), after=before) for _ in range(width)]
    return flow


@pytest.mark.parametrize("kept_in", ["database", "memory"])
async def test_a_flow_that_names_more_of_who_waits_for_whom_than_ten_for_each_job_is_refused(
    db: Database, kept_in: str
) -> None:
    flow = layers(100, 101)
    wanted = "wait for 10,100 others in all, and 10,000 may be stored at once: .* let one job wait for these"
    if kept_in == "memory":
        memory = InMemoryJobs(jobs)
        with pytest.raises(TooManyWaitsError, match=wanted):
            await enqueue(memory, flow, **OURS)
        assert memory.all == []
        return
    with pytest.raises(TooManyWaitsError, match=wanted):
        await store(db, flow)
    with pytest.raises(FlowNotFoundError):
        await stands(db, flow)


async def test_a_joint_between_two_wide_layers_and_a_wide_fan_in_are_within_bounds() -> None:
    wide, memory = layers(1000, 1, 1000, 1), InMemoryJobs(jobs)
    wide.then(Steer("report"))
    await enqueue(memory, wide, **OURS)
    assert (await read_flow(memory, wide.id, **OURS)).total == 2003
    layers(20_000, 1).check_bounds()
