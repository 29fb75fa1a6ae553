"""A database that went back to an earlier moment under a running process: nothing is believed that was known of it."""

import secrets
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from organizations_support import House
from psycopg import sql
from sqlalchemy import text

from singr_auth import OrganizationError
from singr_auth.accounts import AccessFeed, note_change
from singr_auth.accounts.organizations import Permissions
from singr_config import DatabaseSettings, Secret
from singr_db import Database, new_id, seed, upgrade
from singr_dev.testing import SharedServers


class Restorable:
    """A database of one test, with what was kept of it."""

    def __init__(self, admin: psycopg.Connection[Any], db: Database, name: str) -> None:
        self._admin = admin
        self.db = db
        self._name = name
        self.kept = f"{name}_kept"

    def keep(self) -> None:
        """Keep it as it is, as a dump does."""
        self._copied(self._name, self.kept)

    def restore(self) -> None:
        """Put what was kept in its place, under those who are connected."""
        self._copied(self.kept, self._name)

    def _copied(self, source: str, target: str) -> None:
        self._admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (source,)
        )
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(target)))
        self._admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(target), sql.Identifier(source))
        )


@pytest.fixture
async def restorable(postgres_url: str, shared_servers: SharedServers) -> AsyncIterator[Restorable]:
    template = shared_servers.template(upgrade)
    name = f"singr_auth_{secrets.token_hex(6)}"
    url = shared_servers.postgres.url(name)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        try:
            async with Database(DatabaseSettings(url=Secret(url)), application_name="restored") as db:
                yield Restorable(admin, db, name)
        finally:
            for one in (name, f"{name}_kept"):
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(one)))


async def end(db: Database, session_id: UUID) -> int:
    async with db.platform() as session:
        await note_change(session, "session", session_id)
    async with db.platform() as session:
        return int(await session.scalar(text("SELECT max(id) FROM access_changes")) or 0)


async def test_a_session_that_is_ended_after_a_restore_is_refused_though_its_number_was_heard_before(
    restorable: Restorable,
) -> None:
    feed = AccessFeed(restorable.db, remember=900)
    before, lost, after = uuid4(), uuid4(), uuid4()
    await end(restorable.db, before)
    restorable.keep()
    number = await end(restorable.db, lost)
    await feed.refresh()
    restorable.restore()
    assert await end(restorable.db, after) == number
    await feed.refresh()
    assert feed.session_revoked(after)
    assert feed.session_revoked(before)
    assert feed.session_revoked(lost)  # it is ended for whoever heard of it: no restore takes that back


async def test_what_a_person_might_do_after_the_moment_of_a_restore_is_forgotten(restorable: Restorable) -> None:
    await seed(restorable.db)
    house = House(restorable.db)
    owner = await house.person()
    restorable.keep()
    organization = await house.organization(owner)
    permissions = Permissions(restorable.db, AccessFeed(restorable.db, remember=900))
    assert await permissions.of(owner, organization)
    restorable.restore()
    permissions._feed._asked = float("-inf")  # type: ignore[attr-defined]  # half a second later
    with pytest.raises(OrganizationError):
        await permissions.of(owner, organization)


async def test_tables_that_were_filled_anew_in_place_are_noticed(restorable: Restorable) -> None:
    """As `pg_restore --clean` fills them: the database is the same one, and nothing new is in the feed."""
    heard: list[tuple[str, UUID | None]] = []
    feed = AccessFeed(restorable.db, remember=900)
    await feed.refresh()
    feed.subscribe(lambda *change: heard.append(change))
    await feed.refresh()
    assert heard == []
    async with restorable.db.platform() as session:
        await session.execute(text("TRUNCATE access_changes RESTART IDENTITY"))
    await feed.refresh()
    assert heard == [("user", None)]


async def test_a_number_that_comes_again_for_another_change_is_another_change(restorable: Restorable) -> None:
    """Where nothing else tells of it: rows that were deleted, and written anew by hand."""
    heard: list[tuple[str, UUID | None]] = []
    feed = AccessFeed(restorable.db, remember=900)
    feed.subscribe(lambda *change: heard.append(change))
    first, second = new_id(), new_id()
    for user in (first, second):
        async with restorable.db.platform() as session:
            await session.execute(text("DELETE FROM access_changes"))
            await session.execute(text("ALTER TABLE access_changes ALTER COLUMN id RESTART"))
            await note_change(session, "user", user)
        await feed.refresh()
    assert heard == [("user", first), ("user", second)]
