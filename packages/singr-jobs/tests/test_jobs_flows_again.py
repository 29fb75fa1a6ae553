"""Members that run again, in flows that went on without them, or were over."""

from typing import Any
from uuid import UUID

import pytest
from flows_support import COMPLETED, FAILED, end, stands, store
from jobs_support import ORGANIZATION, Pulse, Steer, jobs, lies, take_by_hand

from singr_db import Database
from singr_jobs import (
    BulkFilter,
    BulkRequest,
    Continue,
    DeadLetterSettledError,
    Flow,
    Waker,
    act_in_bulk,
    cancel_job,
    dead_letters,
    enqueue,
    read_flow,
    requeue,
    retry_job,
)
from singr_jobs.chores._act_in_bulk import ActInBulk
from singr_jobs.flows._keeper import FlowKeeper
from singr_jobs.testing import InMemoryJobs

OURS: dict[str, Any] = {"organization_id": ORGANIZATION}


async def give_back(db: Database, *ids: UUID) -> None:
    async with db.platform() as session:
        for job_id in ids:
            [letter] = (await dead_letters(session, job_id=job_id, state="open")).items
            await requeue(session, letter.id)


async def give_all_back(db: Database) -> None:
    async with db.platform() as session:
        which = BulkFilter(type="test.steer")
        await act_in_bulk(session, BulkRequest(action="requeue", which=which, **OURS))
    await ActInBulk(db).work()


async def gone_on(db: Database) -> tuple[Flow, list[UUID]]:
    """A member failed, the one behind it ran and failed too, and the completion job told of it and completed."""
    flow = Flow("regardless", on_failure=Continue)
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    flow.add(Steer("other"))
    last = flow.then(Steer("report"))
    await store(db, flow)
    ids = [*(planned.id for planned in flow.planned), last.id]
    for member, way in ((ids[0], FAILED), (ids[2], COMPLETED), (ids[1], FAILED), (last.id, COMPLETED)):
        await end(db, member, way)
    assert first.id == ids[0]
    assert second.id == ids[1]
    return flow, ids


async def test_a_member_that_runs_again_after_its_flow_was_over_makes_it_running_and_over_once_more(
    db: Database, waker: Waker
) -> None:
    flow, (first, second, _, last) = await gone_on(db)
    before = await stands(db, flow)
    assert (before.state, before.failed, before.finished_at is not None) == ("completed", 2, True)
    await give_back(db, first)
    view = await stands(db, flow)
    assert (view.state, view.failed, view.completed, view.finished_at) == ("running", 1, 2, None)
    assert [await lies(db, job_id) for job_id in (first, second, last)] == ["ready", "", ""]
    await end(db, first, COMPLETED)
    after = await stands(db, flow)
    assert (after.state, after.failed, after.completed) == ("completed", 1, 3)
    assert after.finished_at is not None
    assert before.finished_at is not None
    assert after.finished_at > before.finished_at
    assert await lies(db, last) == "", "its completion job ran twice"
    assert await FlowKeeper(db.psycopg, waker=waker).audit() == 0


@pytest.mark.parametrize("how", ["in bulk", "one by one"])
async def test_members_that_run_again_together_do_so_in_their_order(db: Database, how: str) -> None:
    flow, (first, second, _, _) = await gone_on(db)
    await (give_all_back(db) if how == "in bulk" else give_back(db, first, second))
    assert [await lies(db, job_id) for job_id in (first, second)] == ["ready", "waiting"]
    await end(db, first, FAILED)
    assert await lies(db, second) == "ready"
    await end(db, second, COMPLETED)
    view = await stands(db, flow)
    assert (view.state, view.completed, view.failed) == ("completed", 3, 1)


async def test_a_completion_job_that_runs_again_waits_for_members_that_do_so_too(db: Database, waker: Waker) -> None:
    flow = Flow("report failed", on_failure=Continue)
    first = flow.add(Steer("first"))
    last = flow.then(Steer("report"))
    await store(db, flow)
    await end(db, first.id, FAILED)
    await end(db, last.id, FAILED)
    await give_all_back(db)
    assert [await lies(db, one.id) for one in (first, last)] == ["ready", "waiting"]
    assert await FlowKeeper(db.psycopg, waker=waker).audit() == 0
    await end(db, first.id, COMPLETED)
    assert await lies(db, last.id) == "ready"
    await end(db, last.id, FAILED)
    await give_back(db, last.id)
    assert await lies(db, last.id) == "ready", "it waits for itself"
    await end(db, last.id, COMPLETED)
    assert (await stands(db, flow)).state == "completed"


async def test_who_still_waits_waits_for_a_member_that_runs_again(db: Database) -> None:
    flow = Flow("still waits", on_failure=Continue)
    first, other = flow.add(Steer("first")), flow.add(Steer("other"))
    both = flow.add(Steer("both"), after=[first, other])
    last = flow.then(Steer("report"))
    await store(db, flow)
    await end(db, first.id, FAILED)
    await give_back(db, first.id)
    await end(db, other.id, COMPLETED)
    assert [await lies(db, one.id) for one in (first, both, last)] == ["ready", "waiting", "waiting"]
    await end(db, first.id, COMPLETED)
    assert await lies(db, both.id) == "ready"


@pytest.mark.parametrize("place", ["ready", "later", "keyed", "parked"])
async def test_who_was_given_back_first_waits_for_whom_it_comes_after(db: Database, waker: Waker, place: str) -> None:
    """Dead letters are listed newest first; wherever it lies that has not begun, and the completion job behind both."""
    _, (first, second, _, last) = await gone_on(db)
    await give_back(db, second)
    assert await lies(db, second) == "ready"
    await move(db, second, place)
    await give_back(db, first)
    assert [await lies(db, job_id) for job_id in (first, second, last)] == ["ready", "waiting", ""]
    assert await FlowKeeper(db.psycopg, waker=waker).audit() == 0
    await end(db, first, COMPLETED)
    assert await lies(db, second) == ("ready" if place in {"ready", "later"} else "keyed")
    async with db.psycopg.connection() as connection:
        assert await (await connection.execute("SELECT FROM job_slots")).fetchall() == []


async def move(db: Database, job_id: UUID, place: str) -> None:
    """Let a job that is due lie elsewhere, as a delay or its key would have it; a key has given it room."""
    columns = "queue, organization_id, priority, run_at, id, type"
    key, given = ("", "") if place in {"ready", "later"} else (", key", ", 'k'")
    async with db.psycopg.connection() as connection:
        if key:
            await connection.execute("UPDATE jobs SET concurrency_key = 'k' WHERE id = %s", (job_id,))
        await connection.execute(
            f"WITH gone AS (DELETE FROM job_ready WHERE id = %s RETURNING *) INSERT INTO job_{place} ({columns}{key})"
            f" SELECT {columns}{given} FROM gone",
            (job_id,),
        )
        await connection.execute(
            "INSERT INTO job_slots (job_id, organization_id, type, key) VALUES (%s, %s, 'test.steer', 'k')",
            (job_id, ORGANIZATION),
        )


async def test_who_is_due_waits_again_for_a_member_that_is_tried_again(db: Database, waker: Waker) -> None:
    flow = Flow("regardless", on_failure=Continue)
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    last = flow.then(Steer("report"))
    await store(db, flow)
    async with db.tenant(ORGANIZATION) as session:
        await cancel_job(session, first.id)
    assert await lies(db, second.id) == "ready"
    async with db.platform() as session:
        await retry_job(session, first.id, **OURS)
    assert [await lies(db, one.id) for one in (first, second, last)] == ["ready", "waiting", "waiting"]
    await end(db, first.id, COMPLETED)
    await end(db, second.id, FAILED)
    assert await lies(db, last.id) == "ready"
    await give_back(db, second.id)
    assert [await lies(db, one.id) for one in (second, last)] == ["ready", "waiting"]
    assert await FlowKeeper(db.psycopg, waker=waker).audit() == 0
    await end(db, second.id, COMPLETED)
    assert await lies(db, last.id) == "ready"


async def test_who_has_begun_runs_on_beside_a_member_that_runs_again(db: Database) -> None:
    _, (first, second, _, _) = await gone_on(db)
    await give_back(db, second)
    await take_by_hand(db, second)
    await give_back(db, first)
    assert [await lies(db, job_id) for job_id in (first, second)] == ["ready", "working"]


async def test_a_member_that_runs_again_is_given_back_once(db: Database) -> None:
    flow, (first, *_) = await gone_on(db)
    async with db.platform() as session:
        [letter] = (await dead_letters(session, job_id=first, state="open")).items
        await requeue(session, letter.id)
    async with db.platform() as session:
        with pytest.raises(DeadLetterSettledError):
            await requeue(session, letter.id)
    assert (await stands(db, flow)).failed == 1


async def test_what_of_a_flow_that_was_over_has_gone_with_its_week_is_no_fault(
    db: Database, waker: Waker, said: list[str]
) -> None:
    flow, (first, _, other, _) = await gone_on(db)
    async with db.psycopg.connection() as connection:
        await connection.execute("DELETE FROM jobs WHERE id = %s", (other,))
    keeper = FlowKeeper(db.psycopg, waker=waker)
    await give_back(db, first)
    assert await keeper.audit() == await keeper.look() == 0, said
    await end(db, first, COMPLETED)
    assert (await stands(db, flow)).state == "completed"


async def test_a_cancelled_member_that_is_tried_again_in_a_flow_that_was_over(db: Database) -> None:
    flow = Flow("regardless", on_failure=Continue)
    only, other = flow.add(Steer("only")), flow.add(Steer("other"))
    await store(db, flow)
    async with db.tenant(ORGANIZATION) as session:
        await cancel_job(session, only.id)
    await end(db, other.id, COMPLETED)
    assert (await stands(db, flow)).finished_at is not None
    async with db.platform() as session:
        await retry_job(session, only.id, **OURS)
    assert [(view := await stands(db, flow)).state, view.finished_at] == ["running", None]
    await end(db, only.id, COMPLETED)
    view = await stands(db, flow)
    assert (view.state, view.completed, view.cancelled) == ("completed", 2, 0)


async def test_members_in_memory_run_again_in_their_order_and_the_completion_job_once(pulse: Pulse) -> None:
    memory, flow = InMemoryJobs(jobs, resources={Pulse: pulse}), Flow("regardless", on_failure=Continue)
    first = flow.add(Steer("first", ("permanent", "ok")))
    flow.add(Steer("second", ("permanent", "ok")), after=first)
    flow.then(Steer("report"))
    await enqueue(memory, flow, **OURS)
    await memory.run_until_done()
    view = await read_flow(memory, flow.id, **OURS)
    assert (view.state, view.failed, view.completed) == ("completed", 2, 1)
    for letter in reversed(memory.letters.all()):
        await requeue(memory, letter.id)
    assert (await read_flow(memory, flow.id, **OURS)).finished_at is None
    pulse.ran.clear()
    await memory.run_until_done()
    assert pulse.ran == ["first", "second"]
