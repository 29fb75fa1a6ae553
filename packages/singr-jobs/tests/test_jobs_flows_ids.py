"""Members with ids of their own: twice is once, and the id of another job is refused and harms nothing."""

from typing import Any
from uuid import UUID

import pytest
from flows_support import stands
from jobs_support import ORGANIZATION, Pulse, Steer, jobs

from singr_db import Database, new_id
from singr_jobs import EnqueueError, Flow, FlowView, MemberResult, enqueue, read_flow
from singr_jobs.flows._reading import MemberReads
from singr_jobs.testing import InMemoryJobs

OURS: dict[str, Any] = {"organization_id": ORGANIZATION}


class Keeper:
    """What keeps flows: the database, with a transaction for each call, or memory."""

    def __init__(self, db: Database | None, memory: InMemoryJobs) -> None:
        self._db = db
        self._memory = memory

    async def put(self, job: Steer | Flow, **options: Any) -> UUID:
        if self._db is None:
            return await enqueue(self._memory, job, **OURS, **options)
        async with self._db.tenant(ORGANIZATION) as session:
            return await enqueue(session, job, **OURS, **options)

    async def refused(self, flow: Flow) -> str:
        """What a flow is refused with; the caller's transaction goes on, and commits."""
        if self._db is None:
            with pytest.raises(EnqueueError) as raised:
                await enqueue(self._memory, flow, **OURS)
            return str(raised.value)
        async with self._db.tenant(ORGANIZATION) as session:
            with pytest.raises(EnqueueError) as raised:
                await enqueue(session, flow, **OURS)
            await enqueue(session, Steer("goes on"), **OURS)
        return str(raised.value)

    async def results(self, job_id: UUID) -> list[MemberResult]:
        """What a member is told of those that it waits for."""
        if self._db is not None:
            return await MemberReads(self._db.psycopg, job_id).results()
        reads = self._memory.flows.reads(job_id)
        assert reads is not None
        return await reads.results()

    async def stands(self, flow: Flow) -> FlowView:
        if self._db is None:
            return await read_flow(self._memory, flow.id, **OURS)
        return await stands(self._db, flow)


@pytest.fixture(params=["database", "memory"])
def keeper(request: pytest.FixtureRequest, db: Database, pulse: Pulse) -> Keeper:
    return Keeper(db if request.param == "database" else None, InMemoryJobs(jobs, resources={Pulse: pulse}))


def flow_with(job_id: UUID, *, stays_open: bool = False) -> Flow:
    flow = Flow("own ids", stays_open=stays_open)
    flow.add(Steer("other"))
    flow.add(Steer("own"), job_id=job_id)
    return flow


def test_an_id_is_added_to_a_flow_once():
    flow = flow_with(own := new_id())
    with pytest.raises(EnqueueError, match=f"job_id is that of another job of this flow: .*{own}"):
        flow.add(Steer("again"), job_id=own)
    with pytest.raises(EnqueueError, match="another job of this flow"):
        flow.add(Steer("completion's"), job_id=flow.completion_id)
    assert len(flow.members) == 2


async def test_a_flow_with_the_id_of_a_job_without_one_is_refused_by_name(keeper: Keeper):
    own = await keeper.put(Steer("alone"))
    assert f"{own} is that of a job which is no member" in await keeper.refused(flow_with(own))


async def test_a_flow_with_the_id_of_anothers_member_is_refused_by_name(keeper: Keeper):
    await keeper.put(flow_with(own := new_id()))
    assert f"{own} is that of a job which is no member" in await keeper.refused(flow_with(own))


async def test_a_foreign_id_added_to_a_stored_flow_is_refused_and_nothing_is_counted(keeper: Keeper):
    own = await keeper.put(Steer("alone"))
    await keeper.put(flow := flow_with(new_id(), stays_open=True))
    more = Flow.existing(flow.id)
    more.add(Steer("own"), job_id=own)
    assert str(own) in await keeper.refused(more)
    assert (await keeper.stands(flow)).total == 2


async def test_members_that_are_enqueued_again_change_nothing(keeper: Keeper):
    await keeper.put(flow := flow_with(new_id(), stays_open=True))
    more = Flow.existing(flow.id)
    more.add(Steer("second"), after=more.add(Steer("first")))
    await keeper.put(more)
    await keeper.put(more)
    assert (await keeper.stands(flow)).total == 4


async def test_a_member_added_again_by_its_id_beside_a_new_one_is_counted_once(keeper: Keeper):
    await keeper.put(flow := flow_with(own := new_id(), stays_open=True))
    more = Flow.existing(flow.id)
    more.add(Steer("new"), after=more.add(Steer("own"), job_id=own))
    await keeper.put(more)
    assert (await keeper.stands(flow)).total == 3


async def test_a_flow_that_was_stored_and_has_grown_says_how_to_add_to_it(keeper: Keeper):
    await keeper.put(flow := flow_with(new_id(), stays_open=True))
    await keeper.put(flow)
    flow.add(Steer("late"))
    assert "Flow.existing" in await keeper.refused(flow)
    assert (await keeper.stands(flow)).total == 2


async def test_results_come_in_the_order_of_ids_also_of_those_that_members_brought(keeper: Keeper):
    low, middle, high = sorted(new_id() for _ in range(3))
    flow = Flow("ordered")
    parts = [flow.add(Steer(name), job_id=job_id) for name, job_id in (("h", high), ("l", low), ("m", middle))]
    named = flow.add(Steer("named"), after=[parts[2], parts[0]])
    flow.then(Steer("report"))
    await keeper.put(flow)
    assert [one.id for one in await keeper.results(named.id)] == [middle, high]
    assert [one.id for one in await keeper.results(flow.completion_id)] == [low, middle, high, named.id]


async def test_the_id_of_a_job_that_its_organization_does_not_see_is_refused(db: Database):
    async with db.tenant(foreign := new_id()) as session:
        own = await enqueue(session, Steer("theirs"), organization_id=foreign)
    keeper = Keeper(db, InMemoryJobs(jobs))
    assert "no member of this flow" in await keeper.refused(flow_with(own))
