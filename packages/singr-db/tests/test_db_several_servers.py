"""Several servers in one address: the one that takes writes is found, whichever stands first and whichever it is."""

import asyncio
import contextlib
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from sqlalchemy import text

from singr_config import DatabaseSettings, Secret
from singr_db import Database
from singr_db._cli import main
from singr_dev.embedded import EmbeddedServers

_WHERE = "SELECT current_setting('data_directory')"


@pytest.fixture
def both(own_servers: EmbeddedServers, database_url: str) -> str:
    """An address of a server that takes no writes, and behind it that of one that does; both know the database."""
    name = urlsplit(database_url).path[1:]
    with psycopg.connect(own_servers.database_url, autocommit=True) as operator:
        operator.execute(f'CREATE DATABASE "{name}"')
    turn(own_servers, read_only=True)
    places = [parse_qs(urlsplit(url).query)["host"][0] for url in (own_servers.database_url, database_url)]
    return f"postgresql://singr@/{name}?host={','.join(places)}&target_session_attrs=read-write"


def turn(servers: EmbeddedServers, *, read_only: bool) -> None:
    with psycopg.connect(servers.database_url, autocommit=True) as operator:
        operator.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if read_only else 'off'}")
        operator.execute("SELECT pg_reload_conf()")


def asked(url: str) -> str:
    with psycopg.connect(url) as connection:
        return str(connection.execute(_WHERE).fetchone())


async def test_processes_work_on_the_server_that_takes_writes(
    both: str, database_url: str, own_servers: EmbeddedServers
) -> None:
    """Sessions, statements of the pool, and the connection for leases, as API and worker have them."""
    here, read_only = asked(database_url), asked(own_servers.database_url)
    assert here != read_only
    settings = DatabaseSettings(url=Secret(both), pool_size=2)
    async with Database(settings, application_name="several", patience=5.0) as database:
        assert await database.takes_writes()
        await database.check_sessions()
        async with database.platform() as session:
            assert str(tuple((await session.execute(text(_WHERE))).one())) == here
        async with database.psycopg.connection() as connection:
            assert str(await (await connection.execute(_WHERE)).fetchone()) == here
        with contextlib.closing(await asyncio.to_thread(database.psycopg.connect)) as connection:
            assert str(connection.execute(_WHERE).fetchone()) == here


async def test_without_it_the_first_server_is_taken_which_takes_no_writes(both: str) -> None:
    settings = DatabaseSettings(url=Secret(both.partition("&")[0]), pool_size=2)
    async with Database(settings, application_name="first") as database:
        assert not await database.takes_writes()


@pytest.mark.parametrize("command", [["check"], ["upgrade"]], ids=lambda command: command[0])
def test_commands_find_it_as_well(both: str, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command, environ={"APP_ENV": "test", "DATABASE_URL": both}) == 0, capsys.readouterr().err
