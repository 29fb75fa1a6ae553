"""What becomes due at once of one organization holds up nobody else's, however much it is."""

from uuid import UUID, uuid4

import pytest
from jobs_support import Steer

from singr_db import Database
from singr_jobs import Queue, enqueue_many
from singr_jobs.taking import _later
from singr_jobs.taking._later import Later

A, B, C = sorted(uuid4() for _ in range(3))
OTHER = Queue.EMAIL


async def put_due(db: Database, organization_id: UUID, count: int, *, ago: float, queue: Queue = Queue.DEFAULT) -> None:
    """So many delayed jobs that have been due for so many seconds, a millisecond apart."""
    async with db.tenant(organization_id) as session:
        await enqueue_many(session, [Steer("a")] * count, organization_id=organization_id, queue=queue)
    async with db.psycopg.connection() as connection:
        await connection.execute(
            """WITH moved AS (DELETE FROM job_ready WHERE organization_id = %s AND queue = %s RETURNING *)
               INSERT INTO job_later (run_at, id, queue, organization_id, priority, type)
               SELECT now() - %s * interval '1 s' + row_number() OVER (ORDER BY id) * interval '1 ms', id, queue,
                      organization_id, priority, type FROM moved""",
            (organization_id, queue.value, ago),
        )


async def counts(db: Database, table: str) -> dict[tuple[UUID, str], int]:
    async with db.psycopg.connection() as connection:
        cursor = await connection.execute(f"SELECT organization_id, queue, count(*) FROM {table} GROUP BY 1, 2")
        return {(whose, queue): count for whose, queue, count in await cursor.fetchall()}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_later, "AT_ONCE", 10)
    monkeypatch.setattr(_later, "PAGE", 40)


async def test_what_is_due_behind_a_flood_moves_within_as_many_looks_as_there_are_pages(db: Database):
    await put_due(db, A, 100, ago=60)
    await put_due(db, B, 1, ago=2)
    await put_due(db, A, 1, ago=2, queue=OTHER)
    later = Later()
    for _ in range(4):  # the oldest, and the three pages behind them
        assert (await later.move(db.psycopg, [Queue.DEFAULT, OTHER])).more
    assert (await counts(db, "job_later")) == {(A, "default"): 60}


async def test_many_that_flood_give_way_to_others_on_a_page(db: Database):
    await put_due(db, A, 20, ago=60)
    await put_due(db, C, 30, ago=30)
    await put_due(db, B, 2, ago=2)
    later = Later()
    for _ in range(2):
        await later.move(db.psycopg, [Queue.DEFAULT])
    ready = await counts(db, "job_ready")
    assert (ready[A, "default"], ready[B, "default"]) == (20, 2)
    assert ready[C, "default"] <= 5


async def test_an_organizations_own_jobs_move_in_their_order(db: Database):
    await put_due(db, A, 35, ago=60)
    later = Later()
    for moved in (10, 20, 30, 35):
        await later.move(db.psycopg, [Queue.DEFAULT])
        async with db.psycopg.connection() as connection:
            cursor = await connection.execute(
                "SELECT count(*), max(run_at) < (SELECT coalesce(min(run_at), now()) FROM job_later) FROM job_ready"
            )
            assert await cursor.fetchall() == [(moved, True)]
    assert not later.is_many


async def test_what_somebody_has_locked_moves_once_it_is_free(db: Database):
    await put_due(db, A, 30, ago=60)
    await put_due(db, B, 1, ago=2)
    later = Later()
    async with db.psycopg.connection() as connection, connection.transaction():
        await connection.execute("SELECT FROM job_later WHERE organization_id = %s FOR UPDATE", (B,))
        while (await later.move(db.psycopg, [Queue.DEFAULT])).more:
            pass
        assert await counts(db, "job_later") == {(B, "default"): 1}
    await later.move(db.psycopg, [Queue.DEFAULT])
    assert await counts(db, "job_later") == {}
