"""Flows whose members somebody ended who knows no flows: found within a minute or so, by a look that is cheap."""

import re
from typing import Any

import pytest
from flows_support import COMPLETED, end, stands, store
from jobs_support import ORGANIZATION, Steer, lies

from singr_db import Database
from singr_jobs import Continue, Flow, Waker, explain
from singr_jobs.flows import _keeper
from singr_jobs.flows._keeper import FlowKeeper


@pytest.fixture
def keeper(db: Database, waker: Waker) -> FlowKeeper:
    return FlowKeeper(db.psycopg, waker=waker)


async def run(db: Database, statement: str, *values: Any) -> list[Any]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if cursor.description else []


async def end_uncounted(db: Database, job_id: Any) -> None:
    """As a worker of a release without flows ends a job."""
    await run(db, "DELETE FROM job_ready WHERE id = %s", job_id)
    await run(db, "UPDATE jobs SET status = 'completed', attempt = 1, finished_at = now() WHERE id = %s", job_id)


async def test_a_flow_whose_member_nobody_counted_goes_on_with_the_next_look(
    db: Database, keeper: FlowKeeper, said: list[str]
) -> None:
    flow = Flow("older release")
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    await store(db, flow)
    await end_uncounted(db, first.id)
    async with db.tenant(ORGANIZATION) as session:
        assert "within a minute or so" in (await explain(session, second.id)).in_words
    assert await keeper.look() == 1
    assert await lies(db, second.id) == "ready"
    assert (await stands(db, flow)).completed == 1
    assert "is mended" in "".join(said)
    await end_uncounted(db, second.id)
    assert await keeper.look() == 0, "it looks more often than every minute"
    await run(db, "UPDATE job_gates SET held_until = now() WHERE name = '*flows'")
    assert await keeper.look() == 1
    view = await stands(db, flow)
    assert (view.state, view.finished_at is not None) == ("completed", True)


async def test_the_keeper_looks_every_thirty_turns(db: Database, keeper: FlowKeeper) -> None:
    flow = Flow("older release")
    first = flow.add(Steer("first"))
    second = flow.add(Steer("second"), after=first)
    await keeper.work()
    await store(db, flow)
    await end_uncounted(db, first.id)
    for _ in range(_keeper._TURNS_BETWEEN_LOOKS):
        await keeper.work()
    assert await lies(db, second.id) == "ready"


async def test_all_counts_are_compared_by_one_process_an_hour_and_by_none_that_starts(
    db: Database, keeper: FlowKeeper, waker: Waker
) -> None:
    flow = Flow("miscounted")
    flow.add(Steer("first"))
    await store(db, flow)

    async def turns_until_mended(keeper: FlowKeeper) -> int | None:
        await run(db, "UPDATE flows SET total = 7 WHERE id = %s", flow.id)
        for turn in range(1, _keeper._TURNS_BETWEEN_LOOKS + 1):
            await keeper.work()
            if (await stands(db, flow)).total == 1:
                return turn
        return None

    assert await turns_until_mended(keeper) == _keeper._TURNS_BETWEEN_LOOKS
    assert await turns_until_mended(FlowKeeper(db.psycopg, waker=waker)) is None
    await run(db, "UPDATE job_gates SET held_until = now() WHERE name = '*flows audited'")
    assert await turns_until_mended(keeper) == _keeper._TURNS_BETWEEN_LOOKS


async def test_a_look_finds_nothing_in_flows_under_way(db: Database, keeper: FlowKeeper) -> None:
    flow = Flow("sound", on_failure=Continue)
    first = flow.add(Steer("first"))
    flow.add(Steer("second"), after=first)
    flow.then(Steer("report"))
    await store(db, flow)
    await end(db, first.id, COMPLETED)
    assert await keeper.look() == 0


async def test_a_look_goes_along_the_members_of_unfinished_flows_alone(db: Database) -> None:
    await run(
        db,
        "INSERT INTO flows (id, organization_id, name, total, finished_at)"
        " SELECT gen_random_uuid(), %s, 'n', 1, CASE WHEN n > 3 THEN now() END FROM generate_series(1, 5000) AS n",
        ORGANIZATION,
    )
    of_time = "lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7'"
    await run(
        db,
        "INSERT INTO jobs (id, organization_id, type, queue, payload, max_attempts, backoff, timeout, status, placed)"
        f" SELECT CAST({of_time} || substr(gen_random_uuid()::text, 16) AS uuid), %s, 'test.steer', 'default', '{{}}',"
        "         1, 1, 1, 'completed', true FROM generate_series(1, 20000)",
        ORGANIZATION,
    )
    await run(db, "ANALYZE flows, jobs")
    plan = [line for (line,) in await run(db, f"EXPLAIN {_keeper._DIFFERING}")]
    assert any("flows_unfinished" in line for line in plan), plan
    assert any("_flow_id_id_idx" in line for line in plan), plan
    read_whole = [int(rows) for line in plan if "Seq Scan" in line for rows in re.findall(r"rows=(\d+)", line)]
    assert max(read_whole, default=0) <= 1, f"what is read whole is not empty: {plan}"
