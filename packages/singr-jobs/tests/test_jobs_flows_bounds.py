"""What no flow can be: with a circle in it, or without bounds."""

from typing import Any

import pytest
from flows_support import stands, store
from jobs_support import ORGANIZATION, Steer, jobs

from singr_db import Database, new_id
from singr_jobs import Flow, UnknownMemberError, enqueue
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
