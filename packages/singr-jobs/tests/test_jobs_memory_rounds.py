"""Jobs in memory: what a handler does to others of its round counts in it, and flows are counted once a turn."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, until
from jobs_support import jobs as steered
from keys_support import Call, Charge, keyed

from singr_db import new_id
from singr_jobs import (
    EnqueueError,
    Flow,
    JobContext,
    JobEndedError,
    Jobs,
    JobStatus,
    Priority,
    Queue,
    cancel_flow,
    cancel_job,
    change_job,
    enqueue,
    enqueue_many,
    explain,
    read_job,
    retry_job,
    set_limits,
)
from singr_jobs.flows._memory import MemoryFlows
from singr_jobs.queues import pause_queue, read_queue
from singr_jobs.testing import InMemoryJobs

OURS: dict[str, Any] = {"organization_id": ORGANIZATION}


class First(msgspec.Struct, frozen=True, tag="test.first"):
    way: str


class Other(msgspec.Struct, frozen=True, tag="test.other"):
    pass


@pytest.mark.parametrize("way", ["cancelled", "paused", "moved"])
async def test_what_a_handler_takes_away_from_its_round_does_not_run_in_it(way: str):
    jobs = Jobs()
    ran: list[str] = []

    @jobs.handler(First)
    async def first(job: First, context: JobContext) -> None:
        if job.way == "cancelled":
            await cancel_flow(memory, flow.id, **OURS)
        elif job.way == "paused":
            await pause_queue(memory, Queue.EMAIL, by="ada", reason="it is late")
        else:
            await change_job(memory, member.id, run_at=memory.now + timedelta(hours=1), **OURS)

    @jobs.handler(Other, queue=Queue.EMAIL)
    async def other(job: Other, context: JobContext) -> None:
        ran.append("other")

    memory = InMemoryJobs(jobs)
    flow = Flow("others")
    member = flow.add(Other())
    await enqueue(memory, First(way), priority=Priority.HIGH, **OURS)
    await enqueue(memory, flow, **OURS)
    assert [job.type for job in await memory.run_due()] == ["test.first"]
    assert ran == []


class Looked(dict[UUID, Any]):
    """Jobs, and how often one of them was looked at."""

    times = 0

    def __getitem__(self, key: UUID) -> Any:
        self.times += 1
        return super().__getitem__(key)


async def test_a_long_chain_is_counted_once_a_turn(pulse: Pulse):
    memory = InMemoryJobs(steered, resources={Pulse: pulse})
    flow = Flow("chain")
    last = flow.add(Steer("0"))
    for number in range(1, 60):
        last = flow.add(Steer(str(number)), after=last)
    await enqueue(memory, flow, **OURS)
    looked = Looked({job.id: job for job in memory.all})
    flows = MemoryFlows(lambda: memory.now, looked, lambda job_id: False)
    looked_at_first = Looked()
    flows._jobs = looked_at_first
    members = flows.begin(flow, **OURS)
    flows._jobs = looked
    assert members is not None
    flows.add(flow, members)
    assert looked.times < 10 * len(members)


async def test_results_in_memory_come_in_the_order_of_ids_as_from_the_database(pulse: Pulse):
    memory = InMemoryJobs(steered, resources={Pulse: pulse})
    early, late = new_id(), new_id()
    flow = Flow("own ids")
    flow.add(Steer("late"), job_id=late)
    flow.add(Steer("early"), job_id=early)
    flow.then(Steer("report"))
    await enqueue(memory, flow, **OURS)
    await memory.run_until_done()
    assert [result.id for result in await pulse.contexts[-1].results()] == [early, late]


async def test_a_function_for_unique_keys_that_raises_names_the_job():
    def key(job: Steer) -> str:
        return {"a": "1"}[job.name]

    with pytest.raises(EnqueueError, match=r"jobs\[1\]: unique_key raised KeyError: 'b'") as raised:
        await enqueue_many(InMemoryJobs(steered), [Steer("a"), Steer("b")], unique_key=key, **OURS)
    assert isinstance(raised.value.__cause__, KeyError)


async def test_a_job_that_runs_is_stopped_when_it_is_cancelled_and_ends_as_at_a_worker(pulse: Pulse):
    memory = InMemoryJobs(steered, resources={Pulse: pulse})
    job_id = await enqueue(memory, Steer("a", ("wait",)), **OURS)
    running = asyncio.create_task(memory.run_due())
    await until(lambda: pulse.ran == ["a"])
    assert (await explain(memory, job_id)).in_words.startswith("Runs on memory since ")
    view = await cancel_job(memory, job_id)
    assert (view.status, view.cancel_requested) == (JobStatus.PROCESSING, True)
    await running
    job = await read_job(memory, job_id)
    assert (job.status, job.attempt, [one.outcome for one in job.attempts]) == (JobStatus.CANCELLED, 1, ["cancelled"])
    assert memory.letters.all() == []
    with pytest.raises(JobEndedError):
        await change_job(memory, job_id, priority=Priority.LOW, **OURS)


async def test_what_its_key_holds_back_is_parked_until_its_limits_let_it_through(pulse: Pulse):
    memory = InMemoryJobs(keyed, resources={Pulse: pulse})
    charge, *calls = [await enqueue(memory, one, **OURS) for one in (Charge("7"), *(Call("x") for _ in range(3)))]
    await set_limits(memory, "test.charge", concurrency=0)
    assert len(await memory.run_due()) == 2
    told = await explain(memory, calls[2])
    assert (told.state, told.reason) == ("parked", "key_rate")
    assert (await read_queue(memory, Queue.DEFAULT)).jobs["parked"] == 2
    await memory.run_until_done()
    assert pulse.ran == ["a"] * 3
    assert (await read_job(memory, charge)).status is JobStatus.PENDING
    await set_limits(memory, "test.charge")
    await memory.run_until_done()
    assert (await read_job(memory, charge)).status is JobStatus.COMPLETED


async def test_one_organizations_session_does_what_an_organization_may_and_no_more(pulse: Pulse):
    memory = InMemoryJobs(steered, resources={Pulse: pulse})
    job_id = await enqueue(memory, Steer("a"), **OURS)
    async with memory.tenant(ORGANIZATION) as session:
        with pytest.raises(AttributeError, match=r"has no sync_session|has no execute"):
            await retry_job(session, job_id, **OURS)  # type: ignore[arg-type] # what is refused
        assert (await cancel_job(session, job_id)).status is JobStatus.CANCELLED
