"""Flows: members wait for members, however these end; all are counted, and one job comes at the end."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from flows_support import CANCELLED, COMPLETED, ENDS, FAILED, end, over, stands, store
from jobs_support import ORGANIZATION, Steer, lies, until
from keys_support import Charge

from singr_db import new_id
from singr_jobs import (
    Continue,
    EnqueueError,
    Flow,
    FlowClosedError,
    FlowNotFoundError,
    Priority,
    UnknownMemberError,
    Waker,
    cancel_flow,
    close_flow,
    enqueue,
    explain,
    list_flows,
    read_flow,
    read_job,
)
from singr_jobs.flows._graph import list_members
from singr_jobs.flows._keeper import FlowKeeper


@pytest.fixture
def keeper(db, waker: Waker) -> FlowKeeper:
    return FlowKeeper(db.psycopg, waker=waker)


async def test_who_waits_runs_once_all_that_it_waits_for_have_completed(db, working, pulse):
    flow = Flow("chain")
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    flow.add(Steer("third"), after=[first, second])
    await store(db, flow)
    async with working():
        view = await over(db, flow)
    assert pulse.ran == ["first", "second", "third"]
    assert (view.total, view.completed) == (3, 3)


async def test_completion_job_runs_last_and_reads_all_results_and_counts(db, working, pulse):
    flow = Flow("batch")
    for number in range(5):
        flow.add(Steer(f"part {number}", ("result",)))
    flow.then(Steer("report", ("wait",)))
    await store(db, flow)
    async with working():
        await until(lambda: "report" in pulse.ran)
        results, told = await pulse.contexts[-1].results(), await pulse.contexts[-1].flow()
        pulse.gate.set()
        await over(db, flow)
    assert pulse.ran[-1] == "report"
    assert [result.result for result in results] == [{"sent": 2}] * 5
    assert (told.id, told.state, told.total, told.completed) == (flow.id, "running", 6, 5)


async def test_successor_reads_the_results_of_its_predecessors_alone(db, working, pulse):
    flow = Flow("some")
    read = flow.add(Steer("read", ("result",)))
    flow.add(Steer("other", ("result",)))
    flow.add(Steer("check", ("wait",)), after=read)
    await store(db, flow)
    async with working():
        await until(lambda: "check" in pulse.ran)
        results = await pulse.contexts[-1].results()
        pulse.gate.set()
        await over(db, flow)
    assert [(result.id, result.status, result.result) for result in results] == [(read.id, "completed", {"sent": 2})]


async def test_job_without_a_flow_has_neither_flow_nor_results(db, working, pulse):
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, Steer("a", ("wait",)), organization_id=ORGANIZATION)
    async with working():
        await until(lambda: len(pulse.contexts) == 1)
        context = pulse.contexts[0]
        pulse.gate.set()
    assert await context.flow() is None
    assert await context.results() == []


@pytest.mark.parametrize("way", ENDS.values(), ids=ENDS)
async def test_where_a_flow_goes_on_regardless_a_successor_is_due_however_its_predecessor_ends(db, way):
    flow = Flow("regardless", on_failure=Continue)
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    last = flow.then(Steer("report"))
    await store(db, flow)
    assert [await lies(db, member.id) for member in (first, second, last)] == ["ready", "waiting", "waiting"]
    assert await end(db, first.id, way) == 1
    assert [await lies(db, member.id) for member in (second, last)] == ["ready", "waiting"]
    await end(db, second.id, COMPLETED)
    assert await lies(db, last.id) == "ready"
    await end(db, last.id, COMPLETED)
    view = await stands(db, flow)
    assert (view.state, view.completed + view.failed + view.cancelled) == ("completed", 3)
    assert view.finished_at is not None


async def test_members_are_added_while_the_flow_is_open_also_by_members(db, working, pulse):
    flow = Flow("grows", stays_open=True)
    first = flow.add(Steer("first", ("wait",)))
    flow.then(Steer("report"))
    await store(db, flow)
    async with working():
        await until(lambda: pulse.ran == ["first"])
        more = Flow.existing((await pulse.contexts[0].flow()).id)
        second = more.add(Steer("second"), after=first)
        more.add(Steer("third"), after=second)
        await store(db, more)
        pulse.gate.set()
        await until(lambda: pulse.ran == ["first", "second", "third"])
        assert (await stands(db, flow)).state == "open"
        async with db.tenant(ORGANIZATION) as session:
            await close_flow(session, flow.id, organization_id=ORGANIZATION)
        view = await over(db, flow)
    assert (pulse.ran[-1], view.total) == ("report", 4)


async def test_closed_flow_takes_no_members(db):
    flow = Flow("closed")
    flow.add(Steer("first"))
    await store(db, flow)
    more = Flow.existing(flow.id)
    more.add(Steer("second"))
    with pytest.raises(FlowClosedError, match="running"):
        await store(db, more)


async def test_nobody_adds_to_the_flow_of_another_organization(db):
    flow, other = Flow("theirs", stays_open=True), new_id()
    first = flow.add(Steer("first"))
    await store(db, flow)
    more = Flow.existing(flow.id)
    more.add(Steer("second"), after=first)
    with pytest.raises(FlowNotFoundError):
        await store(db, more, organization_id=other)
    async with db.tenant(other) as session:
        assert (await list_flows(session, organization_id=other)).items == ()
        with pytest.raises(FlowNotFoundError):
            await cancel_flow(session, flow.id, organization_id=other)
        with pytest.raises(FlowNotFoundError):
            await close_flow(session, flow.id, organization_id=other)


async def test_a_member_waits_for_members_of_its_own_flow_alone(db):
    flow, stranger = Flow("own", stays_open=True), Flow("stranger", stays_open=True)
    theirs = stranger.add(Steer("theirs"))
    with pytest.raises(UnknownMemberError, match="added before"):
        flow.add(Steer("a"), after=theirs)
    await store(db, flow)
    await store(db, stranger)
    more = Flow.existing(flow.id)
    more.add(Steer("a"), after=theirs)
    with pytest.raises(UnknownMemberError, match="its own flow"):
        await store(db, more)


async def test_flow_that_is_enqueued_twice_is_there_once(db):
    flow = Flow("once")
    flow.add(Steer("a"))
    await store(db, flow)
    await store(db, flow)
    assert (await stands(db, flow)).total == 1


async def test_flow_exists_exactly_when_its_transaction_commits(db):
    flow = Flow("undone")
    first = flow.add(Steer("a"))
    async with db.tenant(ORGANIZATION) as session:
        await enqueue(session, flow, organization_id=ORGANIZATION)
        await session.rollback()
    assert await lies(db, first.id) == ""
    with pytest.raises(FlowNotFoundError):
        await stands(db, flow)


async def test_empty_flow_is_completed_and_its_completion_job_runs_alone(db):
    nothing, alone = Flow("nothing"), Flow("alone")
    last = alone.then(Steer("report"))
    for flow in (nothing, alone):
        await store(db, flow)
    assert (await stands(db, nothing)).state == "completed"
    assert await lies(db, last.id) == "ready"


async def test_member_with_a_time_of_its_own_waits_for_both(db):
    flow = Flow("later")
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first, run_at=datetime.now(UTC) + timedelta(hours=1))
    await store(db, flow)
    await end(db, first.id, COMPLETED)
    assert await lies(db, second.id) == "later"


async def test_successor_is_due_from_when_its_predecessors_ended(db):
    flow = Flow("due")
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    await store(db, flow)
    async with db.tenant(ORGANIZATION) as session:
        before = await read_job(session, second.id)
    await end(db, first.id, COMPLETED)
    async with db.tenant(ORGANIZATION) as session:
        assert (await read_job(session, second.id)).run_at > before.run_at


async def test_options_of_a_flow_go_with_its_jobs(db):
    with pytest.raises(EnqueueError, match=r"flow\.add"):
        async with db.tenant(ORGANIZATION) as session:
            await enqueue(session, Flow("a"), organization_id=ORGANIZATION, priority=Priority.HIGH)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "a\x9bb", "a\u202eb", "a\ud800", 7])
def test_flow_needs_a_name(name):
    with pytest.raises(EnqueueError, match="name"):
        Flow(name)


def test_completion_job_is_one():
    flow = Flow("one")
    assert flow.then(Steer("report")).id.int == flow.id.int ^ 1
    with pytest.raises(EnqueueError, match="one completion job"):
        flow.then(Steer("another"))


async def test_last_two_members_that_end_at_once_promote_one_completion_job(db):
    flow = Flow("at once")
    both = [flow.add(Steer("first")), flow.add(Steer("second"))]
    last = flow.then(Steer("report"))
    await store(db, flow)
    await asyncio.gather(*(end(db, member.id, COMPLETED) for member in both))
    assert await lies(db, last.id) == "ready"


async def test_audit_finds_nothing_in_flows_under_way(db, keeper):
    flow = Flow("sound", on_failure=Continue)
    first = flow.add(Steer("first"))
    flow.add(Steer("second"), after=first)
    flow.then(Steer("report"))
    await store(db, flow)
    assert await keeper.audit() == 0
    await end(db, first.id, FAILED)
    assert await keeper.audit() == 0


WRONG = {
    "counts": "UPDATE flows SET completed = 7 WHERE id = %(flow)s",
    "waits for too many": "UPDATE job_waiting SET waits_for = 9 WHERE id = %(second)s",
    "waits for nobody": "UPDATE job_waiting SET waits_for = 0 WHERE id = %(second)s",
    "lies nowhere": "DELETE FROM job_waiting WHERE id = %(second)s",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_audit_mends_a_flow_that_is_not_as_its_members_are_and_says_so(db, keeper, said, wrong):
    flow = Flow("mended")
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    await store(db, flow)
    async with db.psycopg.connection() as connection:
        await connection.execute(wrong, {"flow": flow.id, "second": second.id})
    assert await keeper.audit() == 1
    assert "is mended" in "".join(said)
    assert await keeper.audit() == 0
    await end(db, first.id, COMPLETED)
    assert await lies(db, second.id) == "ready"


async def test_flow_is_read_by_its_organization(db):
    flow = Flow("seen", on_failure=Continue)
    flow.add(Steer("a"))
    await store(db, flow)
    async with db.tenant(ORGANIZATION) as session:
        page = await list_flows(session, organization_id=ORGANIZATION, state="running")
        assert [view.id for view in page.items] == [flow.id]
        assert page.items[0] == await read_flow(session, flow.id, organization_id=ORGANIZATION)


async def test_why_a_member_waits_is_said_in_words(db):
    flow = Flow("explained")
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    last = flow.then(Steer("report"))
    await store(db, flow)
    async with db.tenant(ORGANIZATION) as session:
        told = await explain(session, second.id)
        assert (told.state, told.reason) == ("waiting", "flow_members")
        assert str(first.id) in told.in_words
        assert "2 others" in (await explain(session, last.id)).in_words
    await end(db, first.id, FAILED)
    async with db.tenant(ORGANIZATION) as session:
        assert (await explain(session, second.id)).reason == "flow_failed"


async def test_members_of_a_flow_are_listed_with_whom_they_wait_for(db):
    flow = Flow("graph")
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    last = flow.then(Steer("report"))
    await store(db, flow)
    await end(db, first.id, COMPLETED)
    async with db.tenant(ORGANIZATION) as session:
        members = {member.id: member for member in (await list_members(session, flow.id)).items}
    assert [members[one.id].status for one in (first, second, last)] == ["completed", "pending", "waiting"]
    assert members[second.id].after == [first.id]
    assert members[last.id].is_completion


async def test_member_with_a_key_waits_for_others_and_then_for_its_key(db):
    flow = Flow("keyed", on_failure=Continue)
    first = flow.add(Steer("first"))
    second, third = (flow.add(Charge("account"), after=first) for _ in range(2))
    await store(db, flow)
    assert await lies(db, second.id) == "waiting"
    await end(db, first.id, COMPLETED)
    assert [await lies(db, member.id) for member in (second, third)] == ["keyed", "keyed"]
    await end(db, second.id, CANCELLED)
    assert await lies(db, second.id) == ""
    assert (await stands(db, flow)).cancelled == 1


async def test_flows_of_one_state_are_found_without_a_look_at_the_others(db):
    async with db.psycopg.connection() as connection:
        await connection.execute(
            "INSERT INTO flows (id, organization_id, name, closed_at, finished_at)"
            " SELECT gen_random_uuid(), %s, 'old', now(), now() FROM generate_series(1, 5000)",
            (ORGANIZATION,),
        )
        await connection.execute("ANALYZE flows")
        found = await connection.execute(
            "EXPLAIN SELECT * FROM flows WHERE organization_id = %s AND state = 'failed' ORDER BY id DESC LIMIT 21",
            (ORGANIZATION,),
        )
        assert "flows_by_state" in str(await found.fetchall())
