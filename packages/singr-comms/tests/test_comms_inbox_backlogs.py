"""However many items of inboxes are due at once, one turn of a chore goes through them in bites."""

from datetime import timedelta
from typing import Any

import pytest
from comms_crowds import Crowd
from sqlalchemy import text

from singr_comms import PlainPush
from singr_comms.people.chores import _forget_items, _wake_snoozed
from singr_comms.people.inbox import InboxMessage, add_to_inboxes, mark_inbox
from singr_config.clock import clock

NAMES = [f"u-{number}" for number in range(7)]


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """Seven people with an item each."""
    crowd = await Crowd.of(bench)
    await crowd.add(*NAMES)
    said = [InboxMessage(crowd.ids[name], PlainPush(title="Now", text="Come on.")) for name in NAMES]
    async with crowd.db.tenant(crowd.organization) as session:
        await add_to_inboxes(session, crowd.sealer, said, organization_id=crowd.organization)
    return crowd


async def counted(crowd: Crowd, which: str) -> int:
    async with crowd.db.platform() as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM inbox_items WHERE {which}")) or 0)


async def test_old_items_go_in_one_turn_however_many_there_are(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_forget_items, "_AT_ONCE", 2)
    await crowd.run("UPDATE inbox_items SET id = overlay(CAST(id AS text) PLACING '00000000-0000' FROM 1 FOR 13)::uuid")
    assert await _forget_items.ForgetItems(crowd.db).work() == len(NAMES)
    assert await counted(crowd, "true") == 0


async def test_snoozed_items_come_back_in_one_turn_however_many_there_are(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_wake_snoozed, "_AT_ONCE", 2)
    until = clock.now() + timedelta(hours=1)
    for name in NAMES:
        async with crowd.db.tenant(crowd.organization) as session:
            await mark_inbox(session, crowd.ids[name], "snoozed", before=clock.now(), until=until)
    await crowd.run("UPDATE inbox_items SET snoozed_until = now()")
    assert await _wake_snoozed.WakeSnoozed(crowd.db).work() == len(NAMES)
    assert await counted(crowd, "snoozed_until IS NOT NULL") == 0


async def test_a_turn_ends_after_some_seconds_whatever_is_left(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_forget_items, "_AT_ONCE", 2)
    monkeypatch.setattr("singr_db.chores._chore._BITES_LAST", -1.0)
    await crowd.run("UPDATE inbox_items SET id = overlay(CAST(id AS text) PLACING '00000000-0000' FROM 1 FOR 13)::uuid")
    assert await _forget_items.ForgetItems(crowd.db).work() == 2
    assert await counted(crowd, "true") == len(NAMES) - 2
