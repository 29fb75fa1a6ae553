"""Flows that stand open: so many at once, and none for ever."""

import asyncio

import pytest
from flows_support import COMPLETED, FAILED, end, stands, store
from jobs_support import ORGANIZATION, Steer, lies
from sqlalchemy import text

from singr_config import RetentionSettings
from singr_db import Database
from singr_db.operation_log import list_operations
from singr_jobs import (
    Flow,
    FlowClosedError,
    FlowRequests,
    IdleFlows,
    TooManyFlowsError,
    Waker,
    close_flow,
    enqueue,
    explain,
)
from singr_jobs.flows._keeper import FlowKeeper
from singr_jobs.flows._requests import _ROOM


@pytest.fixture
def idle(db: Database) -> IdleFlows:
    return IdleFlows(db, RetentionSettings(open_flow_days=30))


async def age(db: Database, days: int) -> None:
    """All that is there becomes so much older."""
    async with db.platform() as session:
        for table, columns in {"flows": ("created_at",), "jobs": ("created_at", "finished_at")}.items():
            older = ", ".join(f"{name} = {name} - make_interval(days => {days})" for name in columns)
            await session.execute(text(f"UPDATE {table} SET {older}"))


async def open_flow(db: Database, name: str = "left open") -> Flow:
    """One member that has completed, and a completion job that waits for somebody to close the flow."""
    flow = Flow(name, stays_open=True)
    only = flow.add(Steer("only"))
    flow.then(Steer("report"))
    await store(db, flow)
    await end(db, only.id, COMPLETED)
    return flow


async def test_a_flow_that_stands_open_with_nothing_left_to_run_is_cancelled_in_time(
    db: Database, idle: IdleFlows, waker: Waker
) -> None:
    flow = await open_flow(db)
    await age(db, 29)
    assert await idle.work() == 0
    await age(db, 2)
    assert await idle.work() == 1
    await FlowKeeper(db.psycopg, waker=waker).work()
    view = await stands(db, flow)
    assert (view.state, view.completed, view.cancelled) == ("cancelled", 1, 1), "its report was run"
    assert view.finished_at is not None, "its members are kept for ever"
    async with db.platform() as session:
        [line] = (await list_operations(session, limit=10, target=str(flow.id))).items
    assert (line.kind, line.actor_kind, line.organization_id) == ("flow.cancel", "process", ORGANIZATION)
    assert "30 days" in str(line.reason)
    late = Flow.existing(flow.id)
    late.add(Steer("late"))
    with pytest.raises(FlowClosedError, match="cancelled"):
        await store(db, late)
    assert await idle.work() == 0


async def test_an_open_flow_without_members_is_cancelled_in_time(db: Database, idle: IdleFlows) -> None:
    await store(db, flow := Flow("nothing", stays_open=True))
    await age(db, 31)
    assert await idle.work() == 1
    view = await stands(db, flow)
    assert (view.state, view.finished_at is not None) == ("cancelled", True)


async def test_an_open_flow_in_which_something_is_yet_to_run_or_was_added_stays(db: Database, idle: IdleFlows) -> None:
    waits, grown, closed, stopped = [await open_flow(db, name) for name in ("waits", "grown", "closed", "stopped")]
    more = Flow.existing(waits.id)
    more.add(Steer("scheduled long ago"))
    await store(db, more)
    more = Flow.existing(stopped.id)
    failed = more.add(Steer("fails"))
    await store(db, more)
    await end(db, failed.id, FAILED)
    async with db.tenant(ORGANIZATION) as session:
        await close_flow(session, closed.id, organization_id=ORGANIZATION)
    await age(db, 365)
    more = Flow.existing(grown.id)
    added = more.add(Steer("today"))
    await store(db, more)
    await end(db, added.id, COMPLETED)
    assert await idle.work() == 0
    states = [(await stands(db, flow)).state for flow in (waits, grown, closed, stopped)]
    assert states == ["open", "open", "running", "failed"]


async def test_who_adds_to_an_idle_flow_while_it_is_looked_at_keeps_it(db: Database, idle: IdleFlows) -> None:
    flow = await open_flow(db)
    await age(db, 31)
    more = Flow.existing(flow.id)
    added = more.add(Steer("just in time"))
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, more, organization_id=ORGANIZATION)
        assert await idle.work() == 0
    assert (await stands(db, flow)).state == "open"
    assert await lies(db, added.id) == "ready"


async def test_why_the_last_job_of_an_open_flow_waits_says_since_when_it_is_open(db: Database) -> None:
    flow = await open_flow(db)
    async with db.tenant(ORGANIZATION) as session:
        told = await explain(session, flow.completion_id)
    assert told.reason == "flow_open"
    assert f"stands open since {(await stands(db, flow)).created_at:%Y-%m-%d %H:%M}" in told.in_words
    assert "with 0 others that have not ended: close it" in told.in_words


async def ask(db: Database, flow: Flow, most: int) -> None:
    """Store a flow as a caller's, of whose organization so many may stand open."""
    requests = FlowRequests({}, most_open=most)
    asked = requests.begin(flow, organization_id=ORGANIZATION, created_by="key-1", by_platform=False)
    async with db.tenant(ORGANIZATION) as session:
        await asked.store(session)


async def test_an_organization_has_so_many_open_flows_at_once_however_many_ask(db: Database) -> None:
    flows = [Flow(f"{number}", stays_open=True) for number in range(5)]
    answers = await asyncio.gather(*(ask(db, flow, most=3) for flow in flows), return_exceptions=True)
    refused = [answer for answer in answers if answer is not None]
    assert [str(error) for error in refused] == [str(TooManyFlowsError(3))] * 2
    await ask(db, Flow("closed"), most=3)
    kept = flows[answers.index(None)]
    async with db.tenant(ORGANIZATION) as session:
        await close_flow(session, kept.id, organization_id=ORGANIZATION)
    await ask(db, Flow("in its place", stays_open=True), most=3)


async def test_open_flows_are_counted_along_an_index_as_far_as_it_matters(db: Database) -> None:
    async with db.platform() as session:
        await session.execute(
            text(
                "INSERT INTO flows (id, organization_id, name, closed_at)"
                " SELECT gen_random_uuid(), :own, 'n', CASE WHEN n % 20 > 0 THEN now() END"
                " FROM generate_series(1, 40000) AS n"
            ),
            {"own": ORGANIZATION},
        )
        await session.execute(text("ANALYZE flows"))
    async with db.tenant(ORGANIZATION) as session:
        explained = text(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {_ROOM.text}")
        plan = "\n".join((await session.execute(explained, {"organization_id": ORGANIZATION, "most": 1000})).scalars())
    assert "flows_by_state on flows (actual rows=1000.00 loops=1)" in plan, plan
