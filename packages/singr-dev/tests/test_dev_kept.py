"""Connections that are kept from test to test are as good as new (the repository's own `conftest.py` keeps them)."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from singr_dev.testing import SharedServers
from singr_dev.testing._kept import _MOST, KeptConnections

Connect = Callable[[], "psycopg.Connection[tuple[Any, ...]]"]


@pytest.fixture
def connect(shared_servers: SharedServers, postgres_url: str) -> Iterator[Connect]:
    """Connects to a database of tests, while connections to it are kept."""
    with KeptConnections(shared_servers.postgres.sockets, "singr_test_").used():
        yield lambda: psycopg.connect(postgres_url, application_name="kept", autocommit=True)


def one(connection: "psycopg.Connection[tuple[Any, ...]]", query: str) -> Any:
    """The one value that it answers."""
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_the_next_connection_is_the_last_one(connect: Connect) -> None:
    with connect() as first:
        served_by = first.info.backend_pid
    with connect() as second:
        assert second.info.backend_pid == served_by
    assert (first.closed, first.broken) == (True, False)


def test_many_that_nobody_asks_for_any_more_are_in_no_later_ones_way(connect: Connect, postgres_url: str) -> None:
    for number in range(2 * _MOST):  # those that `conftest.py` keeps besides are as many
        psycopg.connect(postgres_url, application_name=f"of-another-test-{number}").close()
    with connect() as first:
        served_by = first.info.backend_pid
    with connect() as second:
        assert second.info.backend_pid == served_by


async def test_so_is_one_of_another_loop(connect: Connect, postgres_url: str) -> None:
    async def served_by() -> int:
        async with await psycopg.AsyncConnection.connect(postgres_url, application_name="kept-async") as connection:
            await connection.execute("SELECT")
            return connection.info.backend_pid

    first = await served_by()
    assert await asyncio.to_thread(asyncio.run, served_by()) == first


def test_who_asks_for_another_name_gets_another(connect: Connect, postgres_url: str) -> None:
    with connect() as first:
        served_by = first.info.backend_pid
    with psycopg.connect(postgres_url, application_name="another") as second:
        assert second.info.backend_pid != served_by


def test_nothing_of_what_was_done_on_it_is_left(connect: Connect) -> None:
    with connect() as first:
        served_by = first.info.backend_pid
        first.execute("SET statement_timeout = '7s'")
        first.execute("SELECT set_config('singr.organization_id', 'somebody', false)")
        first.execute("SET ROLE singr_tenant")
        first.execute("RESET ROLE")
        first.execute("CREATE TEMPORARY TABLE left_behind ()")
        first.execute("PREPARE left_behind AS SELECT 1")
        first.execute("LISTEN left_behind")
        first.execute("SELECT pg_advisory_lock(4711)")
        first.execute("SET ROLE singr_tenant")
    with connect() as second:
        assert second.info.backend_pid == served_by
        assert one(second, "SHOW statement_timeout") == "0"
        assert not one(second, "SELECT current_setting('singr.organization_id', true)")
        assert one(second, "SELECT current_user = session_user")
        assert one(second, "SELECT to_regclass('left_behind') IS NULL")
        assert one(second, "SELECT count(*) FROM pg_prepared_statements") == 0
        assert one(second, "SELECT count(*) FROM pg_listening_channels()") == 0
        assert one(second, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()") == 0


def test_a_transaction_that_was_left_open_is_undone(connect: Connect) -> None:
    first = connect()
    served_by = first.info.backend_pid
    first.execute("BEGIN")
    first.execute("CREATE TABLE never_there ()")
    first.close()
    with connect() as second:
        assert second.info.backend_pid == served_by
        assert one(second, "SELECT to_regclass('never_there') IS NULL")


def test_one_that_has_died_meanwhile_is_not_given_out(connect: Connect) -> None:
    with connect() as first, connect() as admin:
        killed = first.info.backend_pid
        first.close()
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [killed])
    with connect() as second, connect() as third:
        assert killed not in {second.info.backend_pid, third.info.backend_pid}
        assert one(second, "SELECT 1") == one(third, "SELECT 1") == 1


def test_one_from_before_the_database_had_other_settings_is_not_given_out(connect: Connect) -> None:
    with connect() as first:
        name = first.info.dbname
        first.execute(f"ALTER DATABASE {name} SET statement_timeout = '9s'")
    try:
        with connect() as second:
            assert one(second, "SHOW statement_timeout") == "9s"
    finally:
        with connect() as third:
            third.execute(f"ALTER DATABASE {name} RESET statement_timeout")


def test_connections_to_what_is_no_test_database_are_ended(connect: Connect, shared_servers: SharedServers) -> None:
    with psycopg.connect(shared_servers.postgres.url("postgres"), autocommit=True) as first:
        served_by = first.info.backend_pid
    with psycopg.connect(shared_servers.postgres.url("postgres"), autocommit=True) as second:
        assert second.info.backend_pid != served_by
