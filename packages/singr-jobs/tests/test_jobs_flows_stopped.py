"""Flows that do not get to their end: a member fails or is cancelled, or the whole flow is."""

import pytest
from flows_support import CANCELLED, COMPLETED, ENDS, FAILED, end, over, stands, store
from jobs_support import ORGANIZATION, Steer, lies, take_by_hand, until

from singr_jobs import (
    Continue,
    Flow,
    FlowEndedError,
    Waker,
    cancel_flow,
    cancel_job,
    dead_letters,
    discard,
    requeue,
)
from singr_jobs.flows import _keeper
from singr_jobs.flows._keeper import FlowKeeper


@pytest.fixture
def keeper(db, waker: Waker) -> FlowKeeper:
    return FlowKeeper(db.psycopg, waker=waker)


@pytest.mark.parametrize("way", [ENDS["failed"], ENDS["lost for the last time"]], ids=["failed", "lost"])
async def test_a_member_that_fails_stops_its_flow_and_what_waits_stays_waiting(db, way):
    flow = Flow("stops")
    first, other = flow.add(Steer("first")), flow.add(Steer("other"))
    behind_both = [flow.add(Steer("second"), after=first), flow.add(Steer("third"), after=other)]
    await store(db, flow)
    await end(db, first.id, way)
    await end(db, other.id, COMPLETED)
    view = await stands(db, flow)
    assert (view.state, view.failed, view.completed, view.finished_at) == ("failed", 1, 1, None)
    assert [await lies(db, member.id) for member in behind_both] == ["waiting", "waiting"]


async def test_a_stopped_flow_goes_on_once_its_failed_member_is_queued_again_and_completes(db):
    flow = Flow("again")
    first, other = flow.add(Steer("first")), flow.add(Steer("other"))
    second, third = flow.add(Steer("second"), after=first), flow.add(Steer("third"), after=other)
    await store(db, flow)
    await end(db, first.id, FAILED)
    await end(db, other.id, COMPLETED)
    await settle(db, first.id, requeue)
    assert (await stands(db, flow)).state == "running"
    assert [await lies(db, member.id) for member in (first, second, third)] == ["ready", "waiting", "ready"]
    for member in (first, third, second):
        await end(db, member.id, COMPLETED)
    assert (await stands(db, flow)).state == "completed"


async def test_a_stopped_flow_whose_failed_member_is_discarded_is_cancelled(db, keeper):
    flow = Flow("discarded")
    first = flow.add(Steer("first"))
    rest = [flow.add(Steer("other")), flow.add(Steer("second"), after=first), flow.then(Steer("report"))]
    await store(db, flow)
    await end(db, first.id, FAILED)
    await settle(db, first.id, discard)
    await keeper.work()
    view = await stands(db, flow)
    assert (view.state, view.failed, view.cancelled) == ("cancelled", 1, 3)
    assert [await lies(db, member.id) for member in rest] == ["", "", ""]
    assert view.finished_at is not None


@pytest.mark.parametrize("way", [ENDS["cancelled while it ran"], CANCELLED], ids=["running", "waiting"])
async def test_a_member_that_is_cancelled_takes_a_flow_along_that_stops(db, keeper, way):
    flow = Flow("cancelled")
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    await store(db, flow)
    await end(db, first.id, way)
    await keeper.work()
    assert (await stands(db, flow)).state == "cancelled"
    assert await lies(db, second.id) == ""


async def test_flows_whose_members_run_on_keep_no_other_from_being_cancelled(db, keeper, monkeypatch):
    monkeypatch.setattr(_keeper, "_FLOWS_AT_ONCE", 2)
    flows = [Flow(f"cancelled {number}") for number in range(3)]
    for number, flow in enumerate(flows):
        first, other = flow.add(Steer("first")), flow.add(Steer("other"))
        await store(db, flow)
        await end(db, first.id, CANCELLED)
        if number < 2:
            await take_by_hand(db, other.id, token=number + 1, over_in=60.0)
    await keeper.work()
    views = [await stands(db, flow) for flow in flows]
    assert [(view.state, view.finished_at is None) for view in views] == [
        ("cancelled", True), ("cancelled", True), ("cancelled", False)
    ]  # fmt: skip


async def test_a_waiting_member_is_cancelled_like_any_job(db):
    flow = Flow("one of them", on_failure=Continue)
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    await store(db, flow)
    async with db.tenant(ORGANIZATION) as session:
        assert (await cancel_job(session, second.id)).status == "cancelled"
    assert await lies(db, second.id) == ""
    await end(db, first.id, COMPLETED)
    view = await stands(db, flow)
    assert (view.state, view.completed, view.cancelled) == ("completed", 1, 1)


async def test_cancelled_flow_ends_what_waits_at_once_and_asks_the_rest_to_stop(db, working, pulse):
    flow = Flow("whole")
    first = flow.add(Steer("first", ("wait",)))
    flow.add(Steer("second"), after=first)
    flow.then(Steer("report"))
    await store(db, flow)
    async with working():
        await until(lambda: pulse.ran == ["first"])
        async with db.tenant(ORGANIZATION) as session:
            view = await cancel_flow(session, flow.id, organization_id=ORGANIZATION)
        assert (view.state, view.cancelled) == ("cancelled", 2)
        view = await over(db, flow, "cancelled")
    assert (view.cancelled, pulse.ran) == (3, ["first"])
    async with db.tenant(ORGANIZATION) as session:  # once more changes nothing
        assert await cancel_flow(session, flow.id, organization_id=ORGANIZATION) == view


async def test_completed_flow_cannot_be_cancelled(db):
    flow = Flow("done")
    only = flow.add(Steer("only"))
    await store(db, flow)
    await end(db, only.id, COMPLETED)
    async with db.tenant(ORGANIZATION) as session:
        with pytest.raises(FlowEndedError, match="completed"):
            await cancel_flow(session, flow.id, organization_id=ORGANIZATION)


async def settle(db, job_id, act):
    """Settle the open letter of a job."""
    async with db.platform() as session:
        [letter] = (await dead_letters(session, job_id=job_id, state="open")).items
        await act(session, letter.id)
