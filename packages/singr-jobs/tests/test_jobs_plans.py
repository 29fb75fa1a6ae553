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
from singr_jobs.chores._forget_unique_keys import _FORGET
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


async def test_forgetting_unique_keys_reads_no_other_jobs_than_those_that_held_them(db: Database) -> None:
    """All jobs that there are were read for each bite: 2 s for 5,000 keys with 1.4 million jobs."""
    count = text(
        "SELECT sum(seq_tup_read + idx_tup_fetch)::int FROM pg_stat_xact_user_tables"
        " WHERE relname ~ '^jobs_(w|default)'"
    )
    async with db.platform() as session:
        ids = await enqueue_many(session, map(Steer, "a" * MANY), organization_id=ORGANIZATION)
        await session.execute(
            text("UPDATE jobs SET status = 'completed', finished_at = now() WHERE id <> :one"), {"one": ids[0]}
        )
        await session.execute(
            text(
                "INSERT INTO job_unique_keys (organization_id, type, unique_key, job_id, until)"
                " SELECT :organization, 't', id::text, id, now() - interval '2 hours' + number * interval '1 second'"
                " FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS made (id, number)"
            ),
            {"organization": ORGANIZATION, "ids": ids},
        )
    async with db.platform() as session:
        await session.execute(text("ANALYZE jobs, job_unique_keys"))
    async with db.platform() as session:
        before = await session.scalar(count)
        assert await session.scalar(_FORGET, {"limit": 5}) == 5
        read = (await session.scalar(count) or 0) - (before or 0)
        left = list(await session.scalars(text("SELECT job_id FROM job_unique_keys WHERE until IS NULL")))
        everything = await session.scalar(text("SELECT count(*) FROM job_unique_keys"))
    assert (left, everything, read <= 20) == ([ids[0]], MANY - 4, True), read
