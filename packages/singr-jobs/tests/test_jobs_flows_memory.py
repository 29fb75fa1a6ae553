"""Flows in memory go by the rules of those in the database."""

from typing import Any

import pytest
from jobs_support import ORGANIZATION, Pulse, Steer, jobs

from singr_db import new_id
from singr_jobs import (
    Continue,
    Flow,
    FlowClosedError,
    FlowNotFoundError,
    cancel_flow,
    close_flow,
    discard,
    enqueue,
    list_flows,
    read_flow,
    requeue,
)
from singr_jobs.testing import InMemoryJobs

OURS: dict[str, Any] = {"organization_id": ORGANIZATION}


@pytest.fixture
def memory(pulse: Pulse) -> InMemoryJobs:
    return InMemoryJobs(jobs, resources={Pulse: pulse})


async def test_members_run_after_those_that_they_wait_for_and_read_their_results(memory, pulse):
    flow = Flow("chain")
    first = flow.add(Steer("first", ("result",)))
    flow.add(Steer("second"), after=first)
    flow.then(Steer("report"))
    assert await enqueue(memory, flow, **OURS) == flow.id
    await memory.run_until_done()
    assert pulse.ran == ["first", "second", "report"]
    assert [result.result for result in await pulse.contexts[1].results()] == [{"sent": 2}]
    assert len(await pulse.contexts[2].results()) == 2
    view = await read_flow(memory, flow.id, **OURS)
    assert (view.state, view.completed, view.total) == ("completed", 3, 3)


async def test_where_a_flow_goes_on_regardless_its_report_is_told_what_failed(memory, pulse):
    flow = Flow("regardless", on_failure=Continue)
    flow.add(Steer("bad", ("permanent",)))
    flow.then(Steer("report"))
    await enqueue(memory, flow, **OURS)
    await memory.run_until_done()
    assert pulse.ran == ["bad", "report"]
    assert (await pulse.contexts[1].flow()).failed == 1


@pytest.mark.parametrize(("act", "state", "ran"), [(requeue, "completed", 3), (discard, "cancelled", 1)])
async def test_a_flow_that_stands_goes_on_or_ends_with_its_failed_member(memory, pulse, act, state, ran):
    flow = Flow("stands")
    flow.then(Steer("report"), after=flow.add(Steer("once bad", ("permanent", "ok"))))
    await enqueue(memory, flow, **OURS)
    await memory.run_until_done()
    assert (await read_flow(memory, flow.id, **OURS)).state == "failed"
    [letter] = memory.letters.all()
    memory.all[0].job = Steer("once bad")
    memory.all[0].row["payload"] = '{"type": "test.steer", "name": "once bad"}'
    await act(memory, letter.id)
    await memory.run_until_done()
    assert ((await read_flow(memory, flow.id, **OURS)).state, len(pulse.ran)) == (state, ran)


async def test_members_are_added_until_the_flow_is_closed(memory, pulse):
    flow = Flow("open", stays_open=True)
    first = flow.add(Steer("first"))
    flow.then(Steer("report"))
    await enqueue(memory, flow, **OURS)
    more = Flow.existing(flow.id)
    more.add(Steer("second"), after=first)
    await enqueue(memory, more, **OURS)
    await memory.run_until_done()
    assert pulse.ran == ["first", "second"]
    await close_flow(memory, flow.id, **OURS)
    await memory.run_until_done()
    assert pulse.ran[-1] == "report"
    late = Flow.existing(flow.id)
    late.add(Steer("late"))
    with pytest.raises(FlowClosedError):
        await enqueue(memory, late, **OURS)


async def test_cancelled_flow_runs_nothing_more_and_is_its_organizations_alone(memory, pulse):
    flow = Flow("cancelled")
    flow.add(Steer("first"))
    await enqueue(memory, flow, **OURS)
    with pytest.raises(FlowNotFoundError):
        await cancel_flow(memory, flow.id, organization_id=new_id())
    assert (await cancel_flow(memory, flow.id, **OURS)).state == "cancelled"
    await memory.run_until_done()
    assert pulse.ran == []
    assert len((await list_flows(memory, **OURS)).items) == 1
