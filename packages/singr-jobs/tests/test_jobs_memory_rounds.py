"""Jobs in memory: what a handler does to others of its round counts in it, and flows are counted once a turn."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from jobs_support import ORGANIZATION, Pulse, Steer
from jobs_support import jobs as steered

from singr_db import new_id
from singr_jobs import (
    EnqueueError,
    Flow,
    JobContext,
    Jobs,
    Priority,
    Queue,
    cancel_flow,
    change_job,
    enqueue,
    enqueue_many,
)
from singr_jobs.flows._memory import MemoryFlows
from singr_jobs.queues import pause_queue
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
