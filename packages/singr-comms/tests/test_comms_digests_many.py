"""However much is kept for somebody, a closing reads what a mail tells, and counts the rest where it lies."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from comms_crowds import Crowd
from comms_digest_windows import digests, due, made, made_digests, put, rotated, rows, tell
from sqlalchemy import event

from singr_comms.messages.digest import MOST
from singr_comms.notifying.digests._opening import FAR
from singr_db import new_id


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization with Ada."""
    crowd = await Crowd.of(bench)
    await put(crowd)
    return crowd


async def tell_often(crowd: Crowd, title: str, count: int, *, ago: timedelta) -> None:
    """Keep the same so many times, all in one moment."""
    await tell(crowd, title)
    await crowd.run(
        "WITH one AS (DELETE FROM digest_items WHERE notification_id IS NOT NULL RETURNING *)"
        " INSERT INTO digest_items (id, created_at, organization_id, window_id, recipient_id, kind, channel,"
        " content_sealed) SELECT CAST('019' || substr(gen_random_uuid()::text, 4) AS uuid),"
        " now() - CAST(:ago AS interval), organization_id, window_id, recipient_id, kind, channel, content_sealed"
        " FROM one, generate_series(1, CAST(:count AS int))",
        ago=ago,
        count=count,
    )


@contextmanager
def fetched(crowd: Crowd) -> Iterator[list[int]]:
    """How many rows each statement about items gives."""
    seen: list[int] = []

    def note(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if "digest_items" in statement and cursor.description:
            seen.append(cursor.rowcount)

    event.listen(crowd.db.engine.sync_engine, "after_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(crowd.db.engine.sync_engine, "after_cursor_execute", note)


async def left(crowd: Crowd) -> int:
    return len(await rows(crowd, "SELECT id FROM digest_items"))


async def held_long(crowd: Crowd) -> None:
    """Let it be due again after a day in which nobody could open all of it."""
    await due(crowd)
    await crowd.run("UPDATE digest_windows SET held_since = now() - interval '25 hours' WHERE closed_at IS NULL")


@pytest.mark.parametrize("is_asked", [False, True], ids=["due", "asked"])
async def test_what_is_only_counted_is_not_read(crowd: Crowd, *, is_asked: bool) -> None:
    await tell_often(crowd, "plums", 700, ago=timedelta(days=5))
    await tell(crowd, "pears")
    await due(crowd)
    with fetched(crowd) as seen:
        if is_asked:
            now = datetime.now(UTC)
            span: dict[str, Any] = {"start": now - timedelta(days=6), "end": now + timedelta(hours=1)}
            await digests(crowd).send("ada", "daily", **span, organization_id=crowd.organization, asked_by=new_id())
        else:
            await digests(crowd).close_due(crowd.organization)
    assert sum(seen) < 2 * MOST
    assert await left(crowd) == 0
    assert await made(crowd) == [("queued", None, ["plums"] * MOST, 701 - MOST)]
    [(_, _, digest)] = await made_digests(crowd)
    assert digest is not None
    assert (date.fromisoformat(digest.last_day) - date.fromisoformat(digest.first_day)).days in (4, 5)


async def test_what_cannot_be_opened_is_not_read_to_its_end_before_a_part_is_of_use(crowd: Crowd) -> None:
    await tell_often(crowd, "plums", 700, ago=timedelta(days=1))
    await rotated(crowd)
    await due(crowd)
    with fetched(crowd) as seen:
        assert (await digests(crowd).close_due(crowd.organization)).held == 1
    assert sum(seen) < 2 * MOST
    assert await left(crowd) == 700


async def test_what_can_be_opened_is_found_among_pages_of_what_cannot(crowd: Crowd) -> None:
    moment = datetime.now(UTC)
    await tell_often(crowd, "plums", 3 * MOST, ago=timedelta(days=1))
    await rotated(crowd)
    await tell_often(crowd, "pears", 7, ago=timedelta(hours=1))
    await crowd.run("UPDATE digest_items SET created_at = :moment", moment=moment)  # their order is that of their ids
    await held_long(crowd)
    await digests(crowd).close_due(crowd.organization)
    assert await made(crowd) == [("queued", None, ["pears"] * 7, 0)]
    assert await left(crowd) == 3 * MOST
    await rotated(crowd)
    await due(crowd)
    assert (await digests(crowd).close_due(crowd.organization)).closed == 1
    assert (await made(crowd))[1:] == [("queued", None, ["plums"] * MOST, 2 * MOST)]


async def test_behind_too_many_that_cannot_be_opened_nothing_is_read_and_nothing_lost(crowd: Crowd) -> None:
    await tell_often(crowd, "plums", FAR + 200, ago=timedelta(days=2))
    await rotated(crowd)
    await tell_often(crowd, "pears", 3, ago=timedelta(days=3))
    await tell_often(crowd, "figs", 5, ago=timedelta(days=1))
    await held_long(crowd)
    with fetched(crowd) as seen:
        done = await digests(crowd).close_due(crowd.organization)
    assert sum(seen) < FAR + 2 * MOST
    assert (done.closed, done.mails, done.held) == (0, 1, 1)
    assert await made(crowd) == [("queued", None, ["pears"] * 3, 0)]
    assert await left(crowd) == FAR + 205
    await rotated(crowd, of="created_at < now() - interval '30 hours'")
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    assert (await made(crowd))[1:] == [("queued", None, ["plums"] * MOST, FAR + 205 - MOST)]


async def test_what_comes_after_many_that_nobody_could_open_for_a_month_is_told(crowd: Crowd) -> None:
    await tell_often(crowd, "plums", FAR + 200, ago=timedelta(days=31))
    await rotated(crowd)
    await tell_often(crowd, "figs", 5, ago=timedelta(days=1))
    await due(crowd)
    with fetched(crowd) as seen:
        done = await digests(crowd).close_due(crowd.organization)
    assert sum(seen) < FAR + 2 * MOST
    assert (done.closed, done.mails, done.held, await left(crowd)) == (0, 0, 1, 205)
    await due(crowd)
    assert (await digests(crowd).close_due(crowd.organization)).closed == 1
    assert await made(crowd) == [("suppressed", "unreadable", [], 0), ("queued", None, ["figs"] * 5, 0)]
    assert await left(crowd) == 0
