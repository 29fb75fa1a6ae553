"""Flows that somebody closes, cancels, or gives back by their members: told of, and settled to the last one."""

from typing import Any

import pytest
from flows_support import COMPLETED, FAILED, end, stands, store
from jobs_support import ORGANIZATION, Steer, lies

from singr_db import Database
from singr_db.operation_log import OperationView, act_as, list_operations
from singr_jobs import BulkFilter, BulkRequest, Flow, FlowView, Waker, act_in_bulk, cancel_flow, close_flow
from singr_jobs.bulk._views import BulkKind
from singr_jobs.chores._act_in_bulk import ActInBulk
from singr_jobs.flows._keeper import FlowKeeper


async def told(db: Database, flow: Flow) -> list[OperationView]:
    async with db.platform() as session:
        return list((await list_operations(session, limit=10, target=str(flow.id))).items)


async def done(db: Database, act: Any, flow: Flow) -> FlowView:
    async with db.tenant(ORGANIZATION) as session:
        act_as(session, "key-1")
        view: FlowView = await act(session, flow.id, organization_id=ORGANIZATION)
        return view


@pytest.mark.parametrize(
    ("act", "kind", "before", "after"),
    [
        (cancel_flow, "flow.cancel", {"state": "open"}, {"state": "cancelled"}),
        (close_flow, "flow.close", {"state": "open", "closed": False}, {"state": "running", "closed": True}),
    ],
)
async def test_what_is_done_to_a_flow_is_told_of_once(
    db: Database, act: Any, kind: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    flow = Flow("told", stays_open=True)
    flow.add(Steer("a"))
    await store(db, flow)
    assert await done(db, act, flow) == await done(db, act, flow)
    [line] = await told(db, flow)
    assert (line.kind, line.actor, line.organization_id) == (kind, "key-1", ORGANIZATION)
    assert (line.before, line.after) == (before, after)


async def in_bulk(db: Database, action: BulkKind) -> None:
    async with db.platform() as session:
        which = BulkFilter(type="test.steer")
        await act_in_bulk(session, BulkRequest(action=action, which=which, organization_id=ORGANIZATION))
    await ActInBulk(db).work()


async def failed_flows(db: Database) -> list[Flow]:
    """Three flows that stand as failed: two members each, one of which failed, and one that waits for both."""
    flows = []
    for name in "abc":
        flow = Flow(name)
        pair = [flow.add(Steer("first")), flow.add(Steer("other"))]
        flow.add(Steer("behind"), after=pair)
        await store(db, flow)
        await end(db, pair[0].id, FAILED)
        await end(db, pair[1].id, COMPLETED)
        flows.append(flow)
    return flows


async def test_flows_go_on_and_complete_once_their_failed_members_are_requeued_in_bulk(db: Database) -> None:
    flows = await failed_flows(db)
    await in_bulk(db, "requeue")
    assert [(await stands(db, flow)).state for flow in flows] == ["running"] * 3
    for flow in flows:
        first, _, behind = flow.planned
        assert [await lies(db, one.id) for one in (first, behind)] == ["ready", "waiting"]
        await end(db, first.id, COMPLETED)
        await end(db, behind.id, COMPLETED)
    assert [(view.state, view.completed, view.failed) for view in [await stands(db, flow) for flow in flows]] == [
        ("completed", 3, 0)
    ] * 3


async def test_flows_are_cancelled_and_over_once_their_failed_members_are_discarded_in_bulk(
    db: Database, waker: Waker
) -> None:
    flows = await failed_flows(db)
    await in_bulk(db, "discard")
    await FlowKeeper(db.psycopg, waker=waker).work()
    for view in [await stands(db, flow) for flow in flows]:
        assert (view.state, view.completed, view.failed, view.cancelled) == ("cancelled", 1, 1, 1)
        assert view.finished_at is not None
