"""What counts as an outage is told by SQLSTATE, whatever class the driver or SQLAlchemy puts around it."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable

import psycopg
import psycopg_pool
import pytest
import redis
from botocore import exceptions as s3
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from singr_db import LEAVE_A_WORD, Database, ObjectStoreAwayError, blames_values, is_outage, lock_held, sqlstate_of

# What states are by their class, and those that are not as their class is:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
OUTAGE, VALUES, FAULT = "outage", "values", "fault"
BY_CLASS = {
    **dict.fromkeys(("08", "28", "40", "53", "57", "58", "F0"), OUTAGE),
    **dict.fromkeys(("21", "22", "23", "44", "54"), VALUES),
    **dict.fromkeys(("02", "03", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "24", "25", "26", "27"), FAULT),
    **dict.fromkeys(("2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "42", "55", "72", "HV", "P0", "XX"), FAULT),
}
BY_STATE = {
    "40002": FAULT,
    **dict.fromkeys(
        ("0P000", "25006", "25P03", "25P04", "3D000", "42501", "55P03", "55006", "72000", "HV001", "HV00N"), OUTAGE
    ),
}
STATES = sorted(
    {
        kind.sqlstate
        for kind in vars(psycopg.errors).values()
        if isinstance(kind, type) and isinstance(getattr(kind, "sqlstate", None), str)
    }
)
SAID = ["08006", "22001", "22023", "23505", "25006", "26000", "40001", "40P01", "42501", "42601", "42703", "42P01"]
SAID += ["53100", "53300", "54000", "54001", "55P03", "57014", "57P01", "57P05", "58030", "XX000"]


def verdict(state: str) -> str:
    return BY_STATE.get(state) or BY_CLASS[state[:2]]


def sorted_as(error: BaseException) -> str:
    assert not (is_outage(error) and blames_values(error))
    return OUTAGE if is_outage(error) else VALUES if blames_values(error) else FAULT


def test_every_state_that_postgresql_knows_is_sorted():
    assert len(STATES) > 250
    found = {state: sorted_as(psycopg.errors.lookup(state)("x")) for state in STATES}
    assert found == {state: verdict(state) for state in STATES}


async def refused(database: Database, state: str) -> DBAPIError:
    """What SQLAlchemy raises when the server answers with that state."""
    with pytest.raises(DBAPIError) as raised:
        async with database.platform() as session:
            await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"))
    return raised.value


@pytest.mark.parametrize("state", SAID)
async def test_an_error_is_sorted_by_its_state(database: Database, state: str):
    wrapped = await refused(database, state)
    for error in (wrapped, wrapped.orig):
        assert (sqlstate_of(error), sorted_as(error)) == (state, verdict(state))


NO_IDS = "database is not accepting commands that assign new transaction IDs to avoid wraparound data loss"
AMBIGUOUS = {
    "a role that is not there": (["SELECT set_config('role', 'nobody_of_this_name', true)"], "22023", OUTAGE),
    "a setting that is refused": (["SELECT set_config('statement_timeout', '-5', true)"], "22023", OUTAGE),
    "a time zone that a caller named": (["SELECT now() AT TIME ZONE 'Nowhere/City'"], "22023", VALUES),
    "a step of nothing": (["SELECT * FROM generate_series(1, 2, 0)"], "22023", VALUES),
    "a right that was taken away": (
        ["CREATE TEMPORARY TABLE closed (id int)", "SET LOCAL ROLE singr_tenant", "SELECT * FROM closed"],
        "42501",
        OUTAGE,
    ),
    "a row of another tenant": (
        [
            "CREATE TEMPORARY TABLE fenced (id int)",
            "ALTER TABLE fenced ENABLE ROW LEVEL SECURITY",
            "GRANT ALL ON fenced TO singr_tenant",
            "SET LOCAL ROLE singr_tenant",
            "INSERT INTO fenced VALUES (1)",
        ],
        "42501",
        FAULT,
    ),
    "a table of this version": (["SET LOCAL search_path TO pg_catalog", "SELECT * FROM messages"], "42P01", OUTAGE),
    "a column of this version": (["CREATE TEMPORARY TABLE jobs ()", "SELECT j.type FROM jobs j"], "42703", OUTAGE),
    "a column that another team's table lacks, and one of ours has": (
        ["CREATE TEMPORARY TABLE parcels_told ()", "SELECT name FROM parcels_told"],
        "42703",
        FAULT,
    ),
    "a column of another table of ours": (["SELECT created_by FROM organizations"], "42703", FAULT),
    "a function of this version": (["SELECT count_export(1)"], "42883", OUTAGE),
    "a table of another team": (["SELECT * FROM parcels"], "42P01", FAULT),
    "a column with a typing error": (["SELECT recipent FROM messages"], "42703", FAULT),
    "a function with a typing error": (["SELECT nwo()"], "42883", FAULT),
    "no transaction ids": ([f"DO $$ BEGIN RAISE '{NO_IDS}' USING ERRCODE = '54000'; END $$"], "54000", OUTAGE),
    "a document that is too large": (
        ["SELECT to_tsvector('simple', string_agg(md5(i::text), ' ')) FROM generate_series(1, 60000) AS i"],
        "54000",
        VALUES,
    ),
}


@pytest.mark.parametrize(("statements", "state", "right"), AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_a_state_that_means_either_is_sorted_by_where_the_server_said_it(
    database: Database, statements: list[str], state: str, right: str
):
    *before, last = statements
    async with database.engine.connect() as connection:
        for statement in before:
            await connection.execute(text(statement))
        with pytest.raises(DBAPIError) as raised:
            await connection.execute(text(last))
    assert (sqlstate_of(raised.value), sorted_as(raised.value)) == (state, right)


async def test_a_plan_from_before_a_migration_is_no_fault_of_the_statement(database: Database):
    before, after = "PREPARE of_before AS SELECT * FROM changing", "ALTER TABLE changing ADD COLUMN b int"
    async with database.psycopg.connection() as connection:
        for statement in ("CREATE TEMPORARY TABLE changing (a int)", before, "EXECUTE of_before", after):
            await connection.execute(statement)
        with pytest.raises(psycopg.errors.FeatureNotSupported) as raised:
            await connection.execute("EXECUTE of_before")
        await connection.execute("DISCARD ALL")
    assert sorted_as(raised.value) == OUTAGE


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (psycopg.OperationalError("the connection is lost"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg_pool.PoolTimeout("no connection in time"), True),
        (PoolTimeoutError("no connection in time"), True),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (OSError(errno.ENOSPC, "no space left on device"), True),
        (OSError(errno.EMFILE, "too many open files"), True),
        (socket.gaierror(socket.EAI_AGAIN, "the name server is away"), True),
        (FileNotFoundError(errno.ENOENT, "no such file"), False),
        (PermissionError(errno.EACCES, "not yours"), False),
        (redis.ConnectionError("Redis is away"), True),
        (redis.TimeoutError("Redis does not answer"), True),
        (redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"), True),
        (redis.exceptions.ReadOnlyError("You can't write against a read only replica."), True),
        (redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), True),
        (redis.exceptions.NoPermissionError("this user has no permissions to run the 'set' command"), True),
        (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots, but it's unable to persist"), True),
        (redis.ResponseError("NOREPLICAS Not enough good replicas to write."), True),
        (redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), False),
        (redis.DataError("Invalid input of type: 'object'"), False),
        (ExceptionGroup("both", [TimeoutError(), psycopg.OperationalError("lost")]), True),
        (ExceptionGroup("one of them", [TimeoutError(), RuntimeError("a fault of ours")]), False),
        (psycopg.DataError("PostgreSQL text fields cannot contain NUL"), False),
        (psycopg.ProgrammingError("cannot adapt"), False),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), False),
        (RuntimeError("a fault of ours"), False),
    ],
    ids=lambda value: f"{type(value).__name__} {value}"[:50],
)
def test_an_error_without_a_state_is_an_outage_where_what_is_needed_is_away(error: Exception, outage):
    assert is_outage(error) is outage


NOWHERE = {"endpoint_url": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    "error",
    [
        ObjectStoreAwayError("the object store did not answer"),
        s3.EndpointConnectionError(**NOWHERE),
        s3.ConnectTimeoutError(**NOWHERE),
        s3.ReadTimeoutError(**NOWHERE),
        s3.ConnectionClosedError(**NOWHERE),
        s3.SSLError(**NOWHERE, error="a certificate of yesterday"),
        s3.ResponseStreamingError(error="broken off"),
        s3.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        s3.NoCredentialsError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_object_store_that_does_not_answer_is_an_outage(error: Exception):
    assert sorted_as(error) == OUTAGE


@pytest.mark.parametrize(
    ("status", "code", "right"),
    [
        (503, "SlowDown", OUTAGE),
        (500, "InternalError", OUTAGE),
        (507, "InsufficientStorage", OUTAGE),
        (429, "TooManyRequests", OUTAGE),
        (400, "RequestTimeout", OUTAGE),
        (400, "ExpiredToken", OUTAGE),
        (403, "InvalidAccessKeyId", OUTAGE),
        (403, "403", OUTAGE),
        (404, "NoSuchBucket", OUTAGE),
        (404, "NoSuchKey", FAULT),
        (404, "404", FAULT),
        (400, "AuthorizationHeaderMalformed", OUTAGE),
        (301, "PermanentRedirect", OUTAGE),
        (405, "405", OUTAGE),
        (400, "EntityTooLarge", FAULT),
        (400, "InvalidArgument", FAULT),
        (501, "NotImplemented", FAULT),
    ],
)
def test_answer_of_an_object_store_is_an_outage_where_the_same_may_succeed_later(status: int, code: str, right: str):
    said = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    assert sorted_as(s3.ClientError(said, "PutObject")) == right


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
            async with database.psycopg.connection() as connection:
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


async def test_reading_from_a_server_without_writes_waits_for_no_back_off(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """Connections are renewed before they are lent: each that was refused at its check cost a second and more."""
    monkeypatch.setattr("singr_db.sessions._pool._READ_ONLY_FOR", -1.0)  # each is too old at once
    await made_read_only(database_url, on=True)
    try:
        for _ in range(5):
            with contextlib.suppress(psycopg.OperationalError):  # one that was cut may say so first
                async with database.psycopg.connection() as connection:
                    await connection.execute("SELECT 1")
        before = database.psycopg.get_stats()
        for _ in range(3):
            async with database.psycopg.connection() as connection:
                cursor = await connection.execute("SELECT current_setting('transaction_read_only')")
                assert await cursor.fetchall() == [("on",)]
        after = database.psycopg.get_stats()
    finally:
        await made_read_only(database_url, on=False)
    assert after["connections_num"] > before["connections_num"], "they were renewed"
    assert after.get("connections_lost", 0) == before.get("connections_lost", 0), "none failed its check"


async def test_where_the_right_to_try_a_commit_was_revoked_nothing_fails(database: Database):
    async with database.psycopg.connection() as connection, connection.transaction(force_rollback=True):
        tries = "SELECT oid::regprocedure::text FROM pg_proc WHERE proname = 'pg_logical_emit_message'"
        for (one,) in await (await connection.execute(tries)).fetchall():
            await connection.execute(f"REVOKE EXECUTE ON FUNCTION {one} FROM PUBLIC")
        await connection.execute("SET LOCAL ROLE singr_tenant")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with connection.transaction():
                await connection.execute("SELECT pg_logical_emit_message(true, 'singr', '')")
        await connection.execute(LEAVE_A_WORD)


async def test_row_that_somebody_locked_is_told_with_its_table(database: Database):
    async with database.psycopg.connection() as one, database.psycopg.connection() as other:
        await one.execute("INSERT INTO job_gates VALUES ('held')")
        async with one.transaction(), other.transaction(force_rollback=True):
            await one.execute("SELECT FROM job_gates FOR UPDATE")
            await other.execute("SET LOCAL lock_timeout = '1ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable) as raised:
                await other.execute("DELETE FROM job_gates WHERE name = 'held'")
        await one.execute("DELETE FROM job_gates WHERE name = 'held'")
    assert lock_held(raised.value) == "somebody holds a lock on a row of job_gates"
    assert lock_held(psycopg.errors.LockNotAvailable()) == "somebody holds a lock on a table or a row"
    assert lock_held(psycopg.errors.DiskFull()) is None
