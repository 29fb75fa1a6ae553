"""What a long transaction costs: taking from a queue looks at what waits, not at all that was taken since it began."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from jobs_support import ORGANIZATION, lies, put, take_by_hand, until
from psycopg import AsyncConnection

from singr_db import Database
from singr_jobs import JobTelemetry
from singr_jobs.keys import _sql as keys_sql
from singr_jobs.maintenance._clearer import Clearer
from singr_jobs.running._observer import GuardedObserver
from singr_jobs.taking import _sql
from singr_observability import Metrics, build_metrics

DEAD = 3000
# Pages that a take looks at, a few for each index and partition that it asks.
FEW = 120
# Pages that letting a key's jobs through looks at: 9, and 40 and more where one of its tables is worn out.
FEW_OF_KEY = 20
UNKEYED = ("job_ready", "job_later", "job_tickets")
KEYED = ("job_keyed", "job_parked", "job_slots", "job_starts")
Take = Callable[[], Awaitable[int]]


@pytest.fixture(autouse=True)
async def _without_vacuum(db: Database) -> AsyncIterator[None]:
    """Vacuum comes when it likes and keeps tables from others, and tests before this one leave counts behind."""

    async def alter(change: str) -> None:
        async with db.psycopg.connection() as connection:
            for table in (*UNKEYED, *KEYED):
                await connection.execute(f"ALTER TABLE {table} {change}")

    await alter("SET (autovacuum_enabled = false)")
    parameters: dict[str, Any] = dict(db.psycopg.parameters)
    async with await AsyncConnection.connect(**parameters, autocommit=True) as connection:
        await connection.execute(f"VACUUM (ANALYZE) {', '.join((*UNKEYED, *KEYED))}")
    yield
    await alter("RESET (autovacuum_enabled)")


@asynccontextmanager
async def held_open(db: Database) -> AsyncIterator[AsyncConnection[Any]]:
    """A transaction that reads nothing of ours, and for whose snapshot vacuum spares all dead rows."""
    parameters: dict[str, Any] = dict(db.psycopg.parameters)
    async with await AsyncConnection.connect(**parameters, autocommit=True) as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await connection.execute("SELECT txid_current()")
        yield connection


@pytest.fixture
def take(db: Database) -> Take:
    """How many pages a take looks at, which is undone."""
    which = {"queue": "default", "types": ["test.steer"], "after": UUID(int=0), "organizations": 200}
    ours = {"room": 10, "places": 10, "token": 7, "lease": 15.0, "worker": "by-hand"}

    async def look() -> int:
        async with db.psycopg.connection() as connection, connection.transaction(force_rollback=True):
            await connection.execute("INSERT INTO job_gates (name) VALUES ('default') ON CONFLICT DO NOTHING")
            explained = await connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {_sql.TAKE}", which | ours)
            row = await explained.fetchone()
            assert row is not None
            plan = row[0][0]["Plan"]
            return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    return look


def most_pages(plan: dict[str, Any]) -> int:
    """Of any step: what a statement writes on the side is not counted with its last."""
    here = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return max([int(here), *(most_pages(step) for step in plan.get("Plans", ()))])


@pytest.fixture
def let_through(db: Database) -> Take:
    """How many pages letting jobs of one key through looks at, which is undone."""
    key = {"organizations": [ORGANIZATION], "types": ["worn"], "keys": ["key"]}
    stretch = {"organization_id": UUID(int=0), "type": "", "key": "", "hops": 1000, "limit": 1000}

    async def look() -> int:
        pages = 0
        async with db.psycopg.connection() as connection, connection.transaction(force_rollback=True):
            await connection.execute("INSERT INTO job_limits (type, concurrency, rate_count) VALUES ('worn', 1, 1)")
            for statement in (keys_sql.LOOK, keys_sql.UNPARK):
                explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
                row = await (await connection.execute(explain, key | stretch)).fetchone()
                assert row is not None
                pages += most_pages(row[0][0]["Plan"])
        return pages

    return look


async def wear_out(db: Database, *tables: str) -> None:
    """As many rows of each table as a busy minute leaves dead, beside those that are there."""
    rows = {
        "job_ready": "'default', %(org)s, 1, now(), gen_random_uuid(), 'worn'",
        "job_later": "now(), gen_random_uuid(), 'default', %(org)s, 1, 'worn'",
        "job_tickets": "-n, 'default', '{}', 'working', now(), 'worn', now()",
        "job_keyed": "now(), gen_random_uuid(), 'default', %(org)s, 1, 'worn', 'key'",
        "job_parked": "%(org)s, 'worn', 'key', 1, now(), gen_random_uuid(), 'default'",
        "job_slots": "gen_random_uuid(), %(org)s, 'worn', 'key'",
        "job_starts": "%(org)s, 'worn', 'key', now(), gen_random_uuid()",
    }
    async with db.psycopg.connection() as connection:
        for table in tables:
            fill = f"INSERT INTO {table} SELECT {rows[table]} FROM generate_series(1, %(dead)s) AS n"
            await connection.execute(fill, {"org": ORGANIZATION, "dead": DEAD})
            worn = "worker" if table == "job_tickets" else "type"
            await connection.execute(f"DELETE FROM {table} WHERE {worn} = 'worn'")
        await connection.execute("SELECT pg_stat_force_next_flush()")


def clearer(db: Database, metrics: Metrics | None = None, *, most_living: int = 100) -> Clearer:
    observer = GuardedObserver(JobTelemetry(metrics or build_metrics()))
    return Clearer(db.psycopg, observer=observer, dead_rows=DEAD // 2, most_living=most_living)


async def clears(db: Database, chore: Clearer, *tables: str) -> None:
    """Wait until it has given these a fresh file, and no other.

    Vacuum may hold it up a little; and what the server counts as dead may be forgotten once, when word comes late that
    a table was emptied before this test.
    """
    cleared: set[str] = set()

    async def all_of_them() -> bool:
        chore._not_before.clear()  # a worker tries again ever later where somebody uses a table
        cleared.update(await chore.work())
        missing = set(tables) - cleared
        await wear_out(db, *missing)
        return not missing

    await until(all_of_them, within=40, what=f"{', '.join(tables)} have a fresh file")
    assert cleared == set(tables)


async def test_a_take_looks_at_few_pages_though_a_long_transaction_keeps_what_was_taken(db: Database, take: Take):
    chore = clearer(db)
    async with held_open(db):
        await wear_out(db, *UNKEYED)
        assert await take() > FEW
        assert await chore.work() == []  # it might end by itself, and vacuum come
        await clears(db, chore, *UNKEYED)
        assert await take() < FEW


@pytest.mark.parametrize("table", KEYED)
async def test_jobs_of_a_key_are_let_through_by_few_pages_though_a_long_transaction_keeps_what_was(
    db: Database, let_through: Take, table: str
):
    async with held_open(db):
        await wear_out(db, table)
        assert await let_through() > FEW_OF_KEY
        await clears(db, clearer(db), table)
        assert await let_through() < FEW_OF_KEY


async def test_what_lives_stays_where_it_is(db: Database):
    async with held_open(db):
        await wear_out(db, *UNKEYED)
        ready, in_hand = await put(db, "a"), await put(db, "b")
        later = await put(db, "c", run_at=datetime.now(UTC) + timedelta(hours=1))
        await take_by_hand(db, in_hand)
        await clears(db, clearer(db), *UNKEYED)
        assert [await lies(db, one) for one in (ready, in_hand, later)] == ["ready", "working", "later"]


async def test_where_more_lives_than_is_moved_in_a_moment_the_table_is_left_alone(db: Database):
    """Whatever its statistics say, which come late."""
    chore = clearer(db, most_living=20)
    async with held_open(db):
        await wear_out(db, *UNKEYED)
        waiting = [await put(db) for _ in range(21)]
        await clears(db, chore, "job_later", "job_tickets")
        assert {await lies(db, one) for one in waiting} == {"ready"}


async def test_without_a_long_transaction_dead_rows_are_left_to_vacuum(db: Database):
    await wear_out(db, *UNKEYED)
    chore = clearer(db)
    assert [await chore.work() for _ in range(3)] == [[], [], []]


async def test_a_table_that_somebody_uses_is_left_alone_and_nobody_is_kept_waiting(db: Database, take: Take):
    async with held_open(db) as connection:
        await connection.execute("LOCK TABLE job_ready IN ROW EXCLUSIVE MODE")  # as whoever has put a job does
        await wear_out(db, *UNKEYED)
        ready = await put(db, "a")
        await clears(db, clearer(db), "job_later", "job_tickets")
        assert await lies(db, ready) == "ready"
        assert await take() > FEW


async def test_for_how_long_a_transaction_has_been_open_is_told(db: Database):
    metrics = build_metrics()
    chore = clearer(db, metrics)

    async def told() -> float:
        await chore.work()
        [value] = metrics.render_json()["singr_vacuum_held_seconds"]["values"]
        return float(value["value"])

    async with held_open(db) as connection:
        await wear_out(db, *UNKEYED)
        pid = connection.info.backend_pid
        since = "SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8 FROM pg_stat_activity WHERE pid = %s"
        async with db.psycopg.connection() as other:
            row = await (await other.execute(since, (pid,))).fetchone()
        assert row is not None
        assert await told() >= row[0]
