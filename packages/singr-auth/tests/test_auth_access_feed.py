"""Revocation is seen everywhere within a second, also when commits come late, and nobody gets in while it cannot be."""

import asyncio
import faulthandler
import threading
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text

from singr_auth.accounts import AccessFeed, note_change
from singr_auth.accounts.sessions import _access_feed
from singr_db import Database, new_id

DEADLINE = 10.0


@pytest.fixture
def feed(db: Database) -> AccessFeed:
    return AccessFeed(db, remember=900)


async def end(db: Database, session_id: UUID) -> None:
    async with db.platform() as session:
        await note_change(session, "session", session_id)


def count_looks(feed: AccessFeed, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    looks: list[float] = []
    look = feed._look

    async def counted(started: float) -> None:
        looks.append(started)
        await look(started)

    monkeypatch.setattr(feed, "_look", counted)
    return looks


async def test_ended_session_is_known_within_a_second_in_every_process(db: Database) -> None:
    feeds = [AccessFeed(db, remember=900) for _ in range(4)]
    for feed in feeds:
        await feed.ensure_fresh()
    ended = uuid4()
    await end(db, ended)
    for feed in feeds:
        assert _access_feed._STALE_SECONDS <= 0.5
        feed._asked -= _access_feed._STALE_SECONDS  # so long after
        await feed.ensure_fresh()
        assert feed.session_revoked(ended)


async def test_what_was_ended_before_the_start_is_known_at_the_first_look(db: Database, feed: AccessFeed) -> None:
    ended, other = uuid4(), uuid4()
    await end(db, ended)
    await feed.ensure_fresh()
    assert feed.session_revoked(ended)
    assert not feed.session_revoked(other)


async def test_change_that_commits_late_is_not_overlooked(db: Database, feed: AccessFeed) -> None:
    """Its number and time are smaller than those of changes that were seen before it shows."""
    late, early = uuid4(), uuid4()
    async with db.platform() as slow:
        await note_change(slow, "session", late)
        await end(db, early)
        feed._asked = float("-inf")
        await feed.ensure_fresh()
        assert feed.session_revoked(early)
        assert not feed.session_revoked(late)
    feed._asked = float("-inf")
    await feed.ensure_fresh()
    assert feed.session_revoked(late)


async def test_rolled_back_change_never_shows(db: Database, feed: AccessFeed) -> None:
    ended = uuid4()
    async with db.platform() as session:
        await note_change(session, "session", ended)
        await session.rollback()
    await feed.ensure_fresh()
    assert not feed.session_revoked(ended)


async def test_a_thousand_requests_share_one_look(feed: AccessFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = count_looks(feed, monkeypatch)
    monkeypatch.setattr(_access_feed, "_STALE_SECONDS", 60.0)  # on a busy machine a thousand may take half a second
    await asyncio.gather(*(feed.ensure_fresh() for _ in range(1000)))
    assert len(looks) == 1
    await feed.ensure_fresh()
    assert len(looks) == 1


async def test_who_asks_in_the_moment_in_which_a_look_ends_begins_another(
    feed: AccessFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that waits for what is done never lets anybody else have a turn, and the process hangs for good."""
    looks = count_looks(feed, monkeypatch)
    forget, asked = feed._forget, list[asyncio.Task[None]]()

    def ending(now: Any) -> None:
        forget(now)
        if not asked:
            asked.append(asyncio.create_task(feed.refresh()))

    monkeypatch.setattr(feed, "_forget", ending)
    watchdog = threading.Timer(DEADLINE, faulthandler.dump_traceback_later, (0.1,), {"exit": True})
    watchdog.start()
    await feed.refresh()
    await asked[0]
    watchdog.cancel()
    assert len(looks) == 2


async def test_look_that_began_too_long_ago_does_not_count(feed: AccessFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = count_looks(feed, monkeypatch)
    await feed.ensure_fresh()
    feed._asked -= 0.51
    await feed.ensure_fresh()
    assert len(looks) == 2


async def test_subscribers_hear_each_change_once_and_a_broken_one_keeps_nobody_from_it(
    db: Database, feed: AccessFeed
) -> None:
    heard: list[tuple[str, UUID | None]] = []

    def broken(kind: str, subject: UUID | None) -> None:
        raise RuntimeError(kind)

    feed.subscribe(broken)
    feed.subscribe(lambda kind, subject: heard.append((kind, subject)))
    user = new_id()
    async with db.platform() as session:
        await note_change(session, "user", user)
        await note_change(session, "organization", None)
    for _ in range(3):
        feed._asked = float("-inf")
        await feed.ensure_fresh()
    assert heard == [("user", user), ("organization", None)]


async def test_caller_who_goes_away_does_not_fail_the_others(feed: AccessFeed) -> None:
    waiting = [asyncio.create_task(feed.ensure_fresh()) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:] == [None] * 4


async def test_nobody_is_let_in_while_the_database_is_away_and_everybody_after(
    db: Database, feed: AccessFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await feed.ensure_fresh()
    ended = uuid4()
    await end(db, ended)
    feed._asked = float("-inf")
    with monkeypatch.context() as broken:

        def away() -> None:
            raise psycopg.OperationalError("the server is away")

        broken.setattr(db.psycopg, "connection", away)
        for _ in range(2):
            with pytest.raises(psycopg.OperationalError):
                await feed.ensure_fresh()
    await feed.ensure_fresh()
    assert feed.session_revoked(ended)


async def test_what_is_older_than_any_token_is_forgotten(db: Database) -> None:
    feed = AccessFeed(db, remember=1)
    ended = uuid4()
    await end(db, ended)
    await feed.ensure_fresh()
    assert feed.session_revoked(ended)
    async with db.platform() as session:
        await session.execute(text("DELETE FROM access_changes"))
    feed._forget(feed._ended[ended].replace(year=feed._ended[ended].year + 1))
    assert not feed.session_revoked(ended)
    assert not feed._seen


async def test_tenant_session_can_tell_of_a_change_of_roles(db: Database, feed: AccessFeed) -> None:
    organization = UUID("01920000-0000-7000-8000-000000000000")
    heard: list[tuple[str, UUID | None]] = []
    feed.subscribe(lambda kind, subject: heard.append((kind, subject)))
    async with db.tenant(organization) as session:
        await note_change(session, "organization", organization)
    await feed.ensure_fresh()
    assert heard == [("organization", organization)]


async def test_a_process_hears_of_its_own_change_at_the_commit_and_not_before(db: Database, feed: AccessFeed) -> None:
    organization, heard = uuid4(), []
    feed.attach(db.session_info)
    feed.subscribe(lambda *change: heard.append(change))
    async with db.platform() as session:
        await note_change(session, "organization", organization)
        assert heard == []
    assert heard == [("organization", organization)]


async def test_a_process_hears_nothing_of_a_change_that_is_rolled_back(db: Database, feed: AccessFeed) -> None:
    heard: list[object] = []
    feed.attach(db.session_info)
    feed.subscribe(lambda *change: heard.append(change))
    async with db.platform() as session:
        await note_change(session, "organization", uuid4())
        await session.rollback()
    assert heard == []
