"""A database per test process comes from singr-dev's plugin; what these tests need beside it is here."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from fence_support import row_of
from sqlalchemy import insert

from singr_config import DatabaseSettings, Secret
from singr_db import Database, new_id, upgrade
from singr_db.tables import Base, Organization
from singr_dev.testing import SharedServers


def at(url: str, *, database: str | None = None, user: str | None = None) -> str:
    """The same server, another database or user."""
    parts = urlsplit(url)
    if user is not None:
        parts = parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}")
    if database is not None:
        parts = parts._replace(path=f"/{database}")
    # Putting the parts together by hand: urlunsplit drops the slashes of an empty host.
    return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


@pytest.fixture(scope="session")
def _revisions_read_once() -> Iterator[None]:
    """Read the files of migrations once a process, and not for each step up or down: a third of what a step costs."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 — most tests of a database need no Alembic

    read = ScriptDirectory.from_config
    known: dict[str | None, ScriptDirectory] = {}

    def from_config(config: Any) -> ScriptDirectory:
        where = config.get_main_option("script_location")
        return known[where] if where in known else known.setdefault(where, read(config))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", from_config)
        yield


@pytest.fixture
def make_empty_database(postgres_url: str, _revisions_read_once: None) -> Iterator[Callable[..., str]]:
    """Makes databases on the tests' server, without any table or as copies, and drops them after the test."""
    made: list[str] = []
    with psycopg.connect(at(postgres_url, database="postgres"), autocommit=True) as admin:

        def make(*, owner: str | None = None, template: str = "template0") -> str:
            name = f"singr_db_{secrets.token_hex(6)}"
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}" + (f" OWNER {owner}" if owner else ""))
            made.append(name)
            return at(postgres_url, database=name, user=owner)

        yield make
        for name in made:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_url(make_empty_database: Callable[..., str]) -> str:
    return make_empty_database()


@pytest.fixture
def migrated_url(make_empty_database: Callable[..., str], shared_servers: SharedServers) -> str:
    """A migrated database of this test alone: a copy, for migrations take a second."""
    return make_empty_database(template=shared_servers.template(upgrade))


@pytest.fixture
def make_login(postgres_url: str, make_empty_database: Callable[..., str]) -> Iterator[Callable[[str], str]]:
    """Makes ordinary login roles with the given attributes, and drops them after the test."""
    made: list[str] = []

    def make(attributes: str = "") -> str:
        name = f"singr_login_{secrets.token_hex(6)}"
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {name} LOGIN NOSUPERUSER NOBYPASSRLS {attributes}")
        made.append(name)
        return name

    yield make
    # A role goes only when the databases it owns are gone, and fixtures end in reverse: this one ends first.
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        for name in made:
            for (database,) in admin.execute(
                "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = %s", (name,)
            ).fetchall():
                admin.execute(f"ALTER DATABASE {database} OWNER TO CURRENT_USER")
                with psycopg.connect(at(postgres_url, database=database), autocommit=True) as owned:
                    owned.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
                    owned.execute(f"DROP OWNED BY {name}")
            admin.execute(f"DROP OWNED BY {name}")
            admin.execute(f"DROP ROLE {name}")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    settings = DatabaseSettings(url=Secret(database_url), pool_size=5)
    async with Database(settings, application_name="singr-db-tests") as database:
        yield database


@pytest.fixture
async def organizations(database: Database) -> tuple[UUID, UUID]:
    """Two organizations that exist."""
    ours, theirs = new_id(), new_id()
    async with database.platform() as session:
        session.add_all(Organization(id=id_, name="Test", slug=str(id_)) for id_ in (ours, theirs))
    return ours, theirs


@pytest.fixture
def fill(database: Database, organizations: tuple[UUID, UUID]) -> Callable[[type[Base]], Any]:
    """Writes a row of a table for each of the organizations."""

    async def fill(model: type[Base]) -> None:
        async with database.platform() as session:
            await session.execute(insert(model).values([row_of(model, each) for each in organizations]))

    return fill
