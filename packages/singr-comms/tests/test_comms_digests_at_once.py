"""Windows that several close at once, that somebody holds, or whose closer dies: each item is told once."""

import asyncio
from typing import Any

import pytest
from comms_crowds import Crowd, KilledError, dying
from comms_digest_windows import digests, due, made, put, rows, tell
from comms_waiting import all_stand, waits
from sqlalchemy import text

from singr_comms.notifying import cancel_notification


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization with Ada, who lives in Berlin."""
    crowd = await Crowd.of(bench)
    await put(crowd)
    return crowd


async def test_what_comes_while_a_window_closes_opens_the_next_one(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    await due(crowd)
    async with crowd.db.platform() as session:  # somebody closes it, and has not committed
        await session.execute(text("UPDATE digest_windows SET closed_at = now()"))
        late = asyncio.create_task(tell(crowd, "pears"))
        await waits(crowd.db, late)
    await late
    items = await rows(
        crowd,
        "SELECT w.closed_at FROM digest_items AS i JOIN digest_windows AS w ON w.id = window_id ORDER BY i.created_at",
    )
    assert [row.closed_at is None for row in items] == [False, True]
    # Had it found out before the closing when that is, it had the time of the closed one, and waits for the next.
    await crowd.run(
        "UPDATE digest_windows SET closes_at = (SELECT closes_at FROM digest_windows WHERE closed_at IS NOT NULL)"
    )
    assert (await digests(crowd).close_due(crowd.organization)).closed == 0
    assert [
        row.later
        for row in await rows(crowd, "SELECT closes_at > now() AS later FROM digest_windows WHERE closed_at IS NULL")
    ] == [True]


async def test_many_workers_close_each_window_once(crowd: Crowd) -> None:
    for number in range(30):
        await put(crowd, f"u-{number}", email=f"u-{number}@example.org")
    await tell(crowd, "plums")
    await due(crowd)
    async with crowd.db.platform() as session:
        await session.execute(text("LOCK TABLE digest_items IN SHARE MODE"))
        closing = [asyncio.create_task(digests(crowd).close_due(crowd.organization)) for _ in range(4)]
        await all_stand(crowd.db, closing)
    done = await asyncio.gather(*closing)
    assert sum(one.closed for one in done) == 31
    assert sum(one.mails for one in done) == 31
    assert await rows(crowd, "SELECT count(*), count(message_id) FROM digest_windows") == [(31, 31)]
    assert await made(crowd) == [("queued", None, ["plums"], 0)] * 31


async def test_whoever_dies_while_it_closes_leaves_all_of_it_or_one_mail(crowd: Crowd) -> None:
    await tell(crowd, "plums")
    await tell(crowd, "pears")
    await due(crowd)
    seen = []
    for lives in range(60):
        try:
            with dying(crowd, lives):
                await digests(crowd).close_due(crowd.organization)
        except KilledError:
            kept = len(await rows(crowd, "SELECT id FROM digest_items"))
            seen.append((kept, sum(len(titles) for _, _, titles, _ in await made(crowd))))
            continue
        break
    assert set(seen) <= {(2, 0), (0, 2)}
    assert seen.count((2, 0)) > 5
    assert await made(crowd) == [("queued", None, ["plums", "pears"], 0)]


async def test_what_is_cancelled_while_a_digest_is_made_is_not_in_it(crowd: Crowd) -> None:
    told = await tell(crowd, "plums")
    await tell(crowd, "pears")
    await due(crowd)
    async with crowd.db.tenant(crowd.organization) as session:
        assert (await cancel_notification(session, told.id)).stopped == 1
        closing = asyncio.create_task(digests(crowd).close_due(crowd.organization))
        await waits(crowd.db, closing)
    assert (await closing).mails == 1
    assert await made(crowd) == [("queued", None, ["pears"], 0)]


async def test_a_window_that_somebody_holds_keeps_no_other_waiting(crowd: Crowd) -> None:
    await put(crowd, "bob", email="bob@example.org")
    await tell(crowd, "plums")
    await due(crowd)
    await digests(crowd).close_due(crowd.organization)
    await tell(crowd, "pears")
    await crowd.run(
        "UPDATE digest_windows AS w SET closes_at = before.closes_at FROM digest_windows AS before"
        " WHERE w.closed_at IS NULL AND before.closed_at IS NOT NULL AND before.recipient_id = w.recipient_id"
    )
    asked = text("SELECT FROM digest_windows WHERE closed_at IS NULL AND recipient_id = :ada FOR UPDATE")
    async with crowd.db.platform() as session:
        await session.execute(asked, {"ada": crowd.ids["ada"]})
        assert (await digests(crowd).close_due(crowd.organization)).closed == 0
    due_still = await rows(
        crowd, "SELECT recipient_id FROM digest_windows WHERE closed_at IS NULL AND closes_at <= now()"
    )
    assert [row.recipient_id for row in due_still] == [crowd.ids["ada"]]
