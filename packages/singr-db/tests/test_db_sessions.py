"""Sessions, and the pool for hot statements."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import PoolTimeout
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from singr_config import DatabaseSettings, Secret, load_section
from singr_db import Database, DatabaseUrlError, new_id
from singr_db.schema._migrate import connected
from singr_db.sessions._connection import connection_parameters, set_up
from singr_db.tables import Job, JobStatus, Organization


def job(**values: object) -> Job:
    given = {"type": "t", "queue": "default", "payload": {}, "max_attempts": 3, "backoff": 1.0, "timeout": 30.0}
    return Job(organization_id=new_id(), **{**given, **values})


@pytest.fixture
async def own(empty_url: str) -> AsyncIterator[Database]:
    """A database whose backends may be ended without disturbing other tests."""
    settings = DatabaseSettings(url=Secret(empty_url), pool_size=4)
    async with Database(settings, application_name="singr-db-own") as database:
        yield database


async def test_clean_exit_commits_and_error_rolls_back(database: Database):
    kept, lost = new_id(), new_id()
    async with database.platform() as session:
        session.add(Organization(id=kept, name="x", slug=str(kept)))

    async def fail() -> None:
        async with database.platform() as session:
            session.add(Organization(id=lost, name="x", slug=str(lost)))
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with database.platform() as session:
        found = set(await session.scalars(select(Organization.id).where(Organization.id.in_([kept, lost]))))
    assert found == {kept}


async def test_errors_do_not_show_parameters(database: Database):
    with pytest.raises(DBAPIError) as caught:
        async with database.platform() as session:
            await session.execute(text("SELECT 1 / :divisor, :word"), {"divisor": 0, "word": "canary-secret"})
    assert "canary-secret" not in str(caught.value)


async def test_values_come_back_as_they_went_in(database: Database):
    payload = {"größe": [1, 2.5, None, True], "nested": {"a": "\u2028"}}
    async with database.platform() as session:
        row = job(payload=payload, error=None, status=JobStatus.FAILED)
        session.add(row)
        await session.flush()
        await session.refresh(row)
        assert row.payload == payload
        assert row.status == "failed"
        assert row.created_at.utcoffset().total_seconds() == 0
        assert await session.scalar(select(func.count()).where(Job.id == row.id, Job.error.is_(None))) == 1
    async with database.psycopg.connection() as connection:
        cursor = await connection.execute("SELECT payload, id FROM jobs WHERE id = %s", [row.id])
        assert await cursor.fetchone() == (payload, row.id)


@pytest.mark.parametrize(
    "values",
    [
        {"status": "paused"},
        {"priority": 3},
        {"progress": 101},
        {"max_attempts": 0},
        {"timeout": 0.0},
        {"backoff": -1.0},
    ],
    ids=lambda values: next(iter(values)),
)
async def test_impossible_values_are_refused_by_the_database(values: dict[str, Any], database: Database):
    with pytest.raises(DBAPIError) as caught:
        async with database.platform() as session:
            session.add(job(**values))
    assert isinstance(caught.value.orig, psycopg.errors.CheckViolation)


async def test_connections_have_a_name_utc_and_time_limits(database: Database):
    names = ("application_name", "timezone", "statement_timeout", "jit", "plan_cache_mode")
    expected = ("singr-db-tests", "UTC", "30s", "off", "force_generic_plan")
    settings = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    async with database.psycopg.connection() as connection:
        hot = await (await connection.execute(settings)).fetchone()
    async with database.platform() as session:
        assert tuple((await session.execute(text(settings))).one()) == hot == expected


async def test_rows_are_found_by_index_though_their_table_was_empty_when_the_plan_was_made(own: Database):
    """Else a burst into an empty table has each of its statements read all that is there, until statistics are new."""
    prepared, explained = "PREPARE found AS SELECT FROM bursts WHERE id = $1", "EXPLAIN (COSTS OFF) EXECUTE found (1)"
    async with own.psycopg.connection() as connection:
        await connection.execute("CREATE TABLE bursts (id int PRIMARY KEY)")
        await connection.execute("VACUUM (ANALYZE) bursts")
        async with connection.transaction():
            await connection.execute(prepared)
            hot = str(await (await connection.execute(explained)).fetchall())
    async with own.platform() as session:
        await session.execute(text(prepared))
        told = str((await session.execute(text(explained))).all())
    assert all("bursts_pkey" in plan and "Seq Scan" not in plan for plan in (hot, told)), (hot, told)


async def test_times_are_read_whatever_style_of_dates_the_server_is_set_to(database: Database, database_url: str):
    """The driver reads ISO alone: what was stored would be answered as an error of the server."""
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {admin.info.dbname} SET datestyle = 'German, DMY'")
        try:
            settings = DatabaseSettings(url=Secret(database_url), pool_size=1)
            async with Database(settings, application_name="singr-db-dates") as other:
                async with other.psycopg.connection() as connection:
                    [hot] = await (await connection.execute("SELECT now()")).fetchone()
                async with other.platform() as session:
                    assert (await session.execute(text("SELECT now()"))).scalar_one() >= hot
        finally:
            admin.execute(f"ALTER DATABASE {admin.info.dbname} RESET datestyle")


async def end_backends(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'singr-db-own' AND datname = current_database()"
        )


async def fill_pool(database: Database, connections: int) -> None:
    async def hold(barrier: asyncio.Barrier) -> None:
        async with database.psycopg.connection() as connection:
            await connection.execute("SELECT 1")
            await barrier.wait()

    barrier = asyncio.Barrier(connections)
    await asyncio.gather(*(hold(barrier) for _ in range(connections)))


async def test_connection_that_was_given_back_last_is_lent_first(own: Database):
    """Its server process has plans and tables at hand; those that rest would each have to make their own."""
    await fill_pool(own, 3)
    pids = set()
    for _ in range(4):
        async with own.psycopg.connection() as connection:
            pids.add(connection.info.backend_pid)
    assert len(pids) == 1
    sessions = set()
    async with own.platform() as first, own.platform() as second:
        both = {await session.scalar(text("SELECT pg_backend_pid()")) for session in (first, second)}
    for _ in range(4):
        async with own.platform() as session:
            sessions.add(await session.scalar(text("SELECT pg_backend_pid()")))
    assert len(both) == 2
    assert len(sessions) == 1


async def test_hot_pool_of_idle_connections_outlives_a_server_restart_without_an_error(own: Database, empty_url: str):
    await fill_pool(own, 4)
    for _ in range(3):
        await end_backends(empty_url)
        async with asyncio.timeout(5):
            await fill_pool(own, 4)


async def test_hot_statement_cut_off_by_a_restart_is_the_only_one_to_fail(own: Database, empty_url: str):
    await fill_pool(own, 4)
    async with own.psycopg.connection() as connection:
        running = asyncio.create_task(connection.execute("SELECT pg_sleep(30)"))
        await asyncio.sleep(0)
        await end_backends(empty_url)
        with pytest.raises(psycopg.OperationalError):
            await running
    async with asyncio.timeout(5):
        await fill_pool(own, 4)


async def test_sessions_outlive_a_server_restart_without_an_error(own: Database, empty_url: str):
    for _ in range(3):
        async with own.platform() as session:
            assert await session.scalar(text("SELECT 1")) == 1
        await end_backends(empty_url)


async def test_hot_pool_comes_back_by_itself_after_the_server_was_away(
    own: Database, empty_url: str, postgres_url: str
):
    name = conninfo_to_dict(empty_url)["dbname"]
    await fill_pool(own, 2)
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as admin:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
        with pytest.raises(PoolTimeout):
            async with own.psycopg.connection(timeout=0.5):
                pass
        with pytest.raises(DBAPIError):
            await own.ping()
        # long enough that the pool has given up, so that coming back takes a new beginning
        deadline = time.monotonic() + 15
        while own.psycopg.get_stats()["pool_size"]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    async with asyncio.timeout(5):
        await fill_pool(own, 4)
    await own.ping()


async def test_process_starts_while_the_database_is_away_and_says_so():
    with socket.socket() as taken:  # bound, and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        address = f"postgresql://singr@127.0.0.1:{taken.getsockname()[1]}/singr"
        await _away(DatabaseSettings(url=Secret(address), pool_size=2))


async def _away(settings: DatabaseSettings) -> None:
    async with Database(settings, application_name="singr-db-tests") as database:
        with pytest.raises(DBAPIError):
            await database.ping()
        with pytest.raises(PoolTimeout):
            async with database.psycopg.connection(timeout=0.2):
                pass


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "POSTGRES"])
def test_every_usual_scheme_is_read(scheme: str):
    parameters = connection_parameters(f"{scheme}://u:p%40ss@h:5433/d?sslmode=require", application_name="a")
    expected = {"user": "u", "password": "p@ss", "host": "h", "port": "5433", "dbname": "d", "sslmode": "require"}
    assert expected.items() <= parameters.items()


PINNED = "SELECT set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO', false)"


def test_what_the_address_says_wins():
    url = "postgresql:///d?host=/run/pg&connect_timeout=9&application_name=mine&options=-c%20statement_timeout%3D5s"
    parameters = connection_parameters(url, application_name="a")
    assert parameters["host"] == "/run/pg"
    assert parameters["connect_timeout"] == "9"
    assert parameters["application_name"] == "mine"
    assert parameters["options"] == "-c statement_timeout=5s"
    assert set_up(parameters, {"statement_timeout": "30s"}) == PINNED


def test_times_are_read_in_utc_whatever_the_address_says():
    parameters = connection_parameters("postgresql:///d?options=-c%20TimeZone%3DEurope/Berlin", application_name="a")
    assert set_up(parameters) == PINNED


@pytest.mark.parametrize(
    "url", ["", "mysql://u:canary@h/d", "postgresql://u:canary@[h/d", "postgresql://u:ca%ZZnary@h/d"]
)
def test_unusable_address_is_refused_without_showing_the_password(url: str):
    with pytest.raises(DatabaseUrlError) as caught:
        connection_parameters(Secret(url), application_name="a")
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_building_a_database_connects_to_nothing():
    Database(DatabaseSettings(url=Secret("postgresql://u@192.0.2.1/d"), pool_size=1), application_name="a")


async def test_of_several_servers_the_one_that_answers_is_used_by_sessions_pool_and_commands(database_url: str):
    given = conninfo_to_dict(database_url)
    there = f"{quote(str(given['host']), safe='')}:{given.get('port', 5432)}"
    url = f"postgresql://{given.get('user', '')}@127.0.0.1:1,{there}/{given['dbname']}?target_session_attrs=read-write"
    settings = load_section(DatabaseSettings, {"DATABASE_URL": url}, env_file=None)
    async with Database(settings, application_name="singr-db-several") as database:
        await database.ping()
        assert await database.takes_writes()
    with connected(settings.url) as connection:
        assert connection.scalar(text("SELECT 1")) == 1
