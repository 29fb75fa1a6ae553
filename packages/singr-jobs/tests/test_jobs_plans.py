"""How many rows statements look at, also where the planner knows a queue's tables from when they were empty."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jobs_support import ORGANIZATION, Steer
from psycopg import AsyncConnection
from sqlalchemy import text

from singr_db import Database
from singr_db.ending import CANCEL_MANY, REPRIORITIZE
from singr_jobs import Queue, enqueue_many
from singr_jobs.taking._later import BECOME_DUE

MANY = 900


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.mark.parametrize(
    ("statement", "more"), [(CANCEL_MANY, {}), (REPRIORITIZE, {"priority": 2})], ids=["cancelled", "ranked anew"]
)
async def test_no_job_of_many_is_compared_with_all_others(db: Database, statement: str, more: dict[str, Any]) -> None:
    """An emptied queue's table keeps its pages, and for the planner so many hold one row at the most."""
    async with db.platform() as session:
        await enqueue_many(session, map(Steer, "cab" * 30), organization_id=ORGANIZATION)
    async with db.platform() as session:
        for table in ("jobs", "job_ready"):
            await session.execute(text(f"DELETE FROM {table}"))
        await session.execute(text("ANALYZE jobs, job_ready, job_later, job_keyed, job_parked"))
    async with db.platform() as session:
        ids = await enqueue_many(session, map(Steer, "cab" * (MANY // 3)), organization_id=ORGANIZATION)
    async with db.platform() as session:
        explain = text(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}".replace("%(", ":").replace(")s", ""))
        [(told,)] = (await session.execute(explain, {"ids": ids, **more})).all()
        [(left,)] = await session.execute(text("SELECT count(*) FROM job_ready WHERE priority = 1"))
        # What functions do is one node of a plan: what they read is counted by table.
        read = await session.scalar(
            text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'job_ready'")
        )
    compared = sum(node.get("Rows Removed by Join Filter", 0) * node["Actual Loops"] for node in nodes(told[0]["Plan"]))
    assert (left, compared < MANY, MANY <= read < 5 * MANY) == (0, True, True), (compared, read)


async def test_whether_jobs_wait_in_a_queue_is_seen_without_reading_those_that_do(db: Database) -> None:
    """Each worker looks every second: with a million that wait, it would read them all each time."""
    values = {"limit": 10, "queues": [Queue.DEFAULT.value, Queue.EMAIL.value]}
    async with db.psycopg.connection() as connection:
        await connection.execute("VACUUM (ANALYZE) job_ready")
        await connection.execute(BECOME_DUE, values, binary=True, prepare=True)  # the plan is made while nothing waits
        async with db.platform() as session:
            await enqueue_many(session, map(Steer, "a" * MANY), organization_id=ORGANIZATION, queue=Queue.EMAIL)
        async with connection.transaction():
            before = await read_so_far(connection)
            cursor = await connection.execute(BECOME_DUE, values, binary=True, prepare=True)
            [(_, _, waiting, *_)] = await cursor.fetchall()
            read = await read_so_far(connection) - before
    assert (waiting, read < MANY / 10) == ([Queue.EMAIL.value], True), read


async def read_so_far(connection: AsyncConnection[Any]) -> int:
    """Rows of `job_ready` that this connection has looked at."""
    cursor = await connection.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'job_ready'"
    )
    [(rows,)] = await cursor.fetchall()
    return int(rows)
