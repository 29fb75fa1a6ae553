"""What counts as an outage is told by SQLSTATE, whatever class the driver or SQLAlchemy puts around it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import psycopg
import psycopg_pool
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from singr_db import Database, blames_values, is_outage, sqlstate_of

OUTAGES = ["08000", "08003", "08006", "25006", "25P03", "40001", "40P01", "53100", "53200", "53300"]
OUTAGES += ["55P03", "57014", "57P01", "57P02", "57P03", "57P05", "58030"]
VALUES = ["21000", "22001", "22003", "22008", "22021", "22P02", "22P05", "23502", "23505", "23514", "54000", "54001"]
FAULTS = ["26000", "42501", "42601", "42703", "42P01", "42P05", "XX000", "XX001", "0A000"]


async def refused(database: Database, state: str) -> DBAPIError:
    """What SQLAlchemy raises when the server answers with that state."""
    with pytest.raises(DBAPIError) as raised:
        async with database.platform() as session:
            await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"))
    return raised.value


@pytest.mark.parametrize(
    ("state", "outage", "values"),
    [
        *((state, True, False) for state in OUTAGES),
        *((state, False, True) for state in VALUES),
        *((state, False, False) for state in FAULTS),
    ],
)
async def test_an_error_is_sorted_by_its_state(database: Database, state: str, outage, values):
    wrapped = await refused(database, state)
    for error in (wrapped, wrapped.orig):
        assert (sqlstate_of(error), is_outage(error), blames_values(error)) == (state, outage, values)


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (psycopg.OperationalError("the connection is lost"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg_pool.PoolTimeout("no connection in time"), True),
        (PoolTimeoutError("no connection in time"), True),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (psycopg.DataError("PostgreSQL text fields cannot contain NUL"), False),
        (psycopg.ProgrammingError("cannot adapt"), False),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), False),
        (RuntimeError("a fault of ours"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_without_a_state_is_an_outage_where_the_connection_is_at_fault(error: Exception, outage):
    assert is_outage(error) is outage


async def made_read_only(url: str, *, on: bool) -> None:
    """As a failover looks: connections are cut, and new ones find a server that takes no writes."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute("SET default_transaction_read_only = off")
        name = admin.info.dbname
        if on:
            await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                (name,),
            )
        else:
            await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


async def succeeds(act: Callable[[], Awaitable[None]]) -> bool:
    """Whether it does; what it raises otherwise counts as an outage."""
    try:
        await act()
    except (psycopg.Error, DBAPIError) as error:
        if not is_outage(error):
            raise
        return False
    return True


@pytest.mark.parametrize("through", ["sessions", "hot"])
async def test_connections_to_a_server_that_turned_read_only_are_not_kept(
    database: Database, database_url: str, through: str
):
    async def write() -> None:
        statement = "CREATE TABLE IF NOT EXISTS written (at int); DROP TABLE written"
        if through == "hot":
            async with database.hot.connection() as connection:
                await connection.execute(statement)
        else:
            async with database.platform() as session:
                await session.execute(text(statement))

    async def takes_writes() -> bool:
        for _ in range(5):  # a connection that was cut may say so first
            with contextlib.suppress(psycopg.OperationalError):
                return await database.takes_writes()
        return await database.takes_writes()

    await made_read_only(database_url, on=True)
    try:
        assert not await takes_writes()
        with pytest.raises((psycopg.errors.ReadOnlySqlTransaction, DBAPIError)) as raised:
            await write()
        assert is_outage(raised.value)
    finally:
        await made_read_only(database_url, on=False)
    async with asyncio.timeout(20):  # each connection that was made meanwhile is kept for a second at most
        while not (await succeeds(write) and await takes_writes()):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.05)
