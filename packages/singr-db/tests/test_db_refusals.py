"""What is said of a PostgreSQL that answers, and takes no connection or session of ours."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from singr_config import DatabaseSettings, Secret
from singr_db import Database
from singr_db._cli import main
from singr_db.sessions._error_words import database_refusal

_PASSWORD = "canary"


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    name = f"refused_{uuid4().hex}"
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{_PASSWORD}'")
        yield name
        owner.execute(f'DROP ROLE "{name}"')


def changed(url: str, **parts: Any) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)


async def why(url: str) -> str:
    """Say why the pool reaches no server, as `/ready` asks: it gives up before the pool does."""
    async with (
        asyncio.timeout(20),
        Database(DatabaseSettings(url=Secret(url)), application_name="refused") as db,
    ):
        while True:
            try:
                async with asyncio.timeout(0.2):
                    await db.takes_writes()
            except TimeoutError as error:
                if (said := db.refusal(error)) is not None:
                    return said


async def test_a_database_that_is_not_there_is_told(database_url: str) -> None:
    url = changed(database_url, database="canary", password=_PASSWORD)
    assert await why(url) == "DATABASE_URL names a database that it does not have"


async def test_a_user_who_is_not_there_or_may_not_sign_in_is_told(database_url: str, role: str) -> None:
    said = "it refuses the user or the password of DATABASE_URL: put there what it takes"
    assert await why(changed(database_url, username="canary")) == said
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(f'ALTER ROLE "{role}" NOLOGIN')
    assert await why(changed(database_url, username=role)) == said


async def test_a_user_without_a_connection_left_is_told(database_url: str, role: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(f'ALTER ROLE "{role}" CONNECTION LIMIT 0')
    assert (await why(changed(database_url, username=role))).startswith("it has no connection left for this user")


async def test_a_tenant_role_that_is_not_granted_is_told(database_url: str, role: str) -> None:
    settings = DatabaseSettings(url=Secret(changed(database_url, username=role)))
    async with Database(settings, application_name="refused") as db:
        with pytest.raises(Exception, match="singr_tenant") as refused:
            await db.check_sessions()
        assert str(db.refusal(refused.value)).startswith("its user may not become singr_tenant")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('FATAL:  password authentication failed for user "canary"', "it refuses the user or the password"),
        ("fe_sendauth: no password supplied", "it refuses the user or the password"),
        ('FATAL:  no pg_hba.conf entry for host "canary", user "canary"', "no line of its pg_hba.conf"),
        ("FATAL:  sorry, too many clients already", "it has no connection left"),
        ("FATAL:  remaining connection slots are reserved for roles", "it has no connection left"),
        ("FATAL:  the database system is starting up", "it starts, and takes connections"),
        ("FATAL:  the database system is shutting down", "it is being shut down"),
        (
            'FATAL:  permission denied for database "canary"',
            "the user of DATABASE_URL may not connect to this database",
        ),
        ("FATAL:  canary", "its log says why"),
    ],
)
def test_what_the_server_says_of_a_connection_is_told_without_names(words: str, said: str) -> None:
    error = psycopg.OperationalError(f'connection to server at "canary", port 5432 failed: {words}')
    assert str(database_refusal(error)).startswith(said)
    assert "canary" not in str(database_refusal(error))


async def test_a_server_that_is_away_refuses_nothing_and_one_that_is_back_no_more(
    database_url: str, faulty: Callable[[str], Any]
) -> None:
    proxy = faulty(database_url)
    proxy.refuse()
    async with Database(DatabaseSettings(url=Secret(proxy.url)), application_name="refused") as db:
        with pytest.raises(TimeoutError) as away:
            async with asyncio.timeout(0.5):
                await db.takes_writes()
        assert db.refusal(away.value) is None
        db.psycopg._failed = (float("inf"), psycopg.OperationalError("FATAL:  the database system is starting up"))
        assert db.refusal(away.value) is not None
        proxy.restore()
        assert await db.takes_writes()
        assert db.refusal(away.value) is None


def test_a_command_line_says_in_one_line_that_there_is_no_connection(
    capfd: pytest.CaptureFixture[str], database_url: str
) -> None:
    for url in (f"postgresql://u:{_PASSWORD}@127.0.0.1:1/d", changed(database_url, database="nowhere")):
        assert main(["seed"], environ={"APP_ENV": "test", "DATABASE_URL": url}) == 1
        [line] = capfd.readouterr().err.splitlines()
        assert line.startswith("singr-db: there is no connection to the database: ")
        assert (_PASSWORD in line, "?" in line) == (False, False)


async def test_server_whose_connections_are_all_in_use_is_there_and_takes_writes(database_url: str) -> None:
    """Also for the first try of a commit; on one connection more, which is closed again."""
    settings = DatabaseSettings(url=Secret(database_url), pool_size=1)
    async with Database(settings, application_name="busy") as db, db.platform() as session:
        await session.connection()
        async with db.psycopg.connection():
            assert db.is_all_lent
            async with asyncio.timeout(2):
                assert await db.takes_writes()
                await db.check_sessions()
                async with db.psycopg.beside() as beside:
                    pass
        assert beside.closed
