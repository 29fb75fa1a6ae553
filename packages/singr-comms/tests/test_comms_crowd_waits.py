"""While a crowd's messages wait, what looks after them now and then reads a few, though the planner knows of none."""

from typing import Any

import pytest
from comms_crowds import Crowd
from comms_rows_read import rows_read

from singr_comms import PlainSms
from singr_comms.notifications._maintenance import SettleCursor, settle_messages
from singr_comms.notifying import Audience
from singr_comms.notifying.chores._see_notifications_off import SeeNotificationsOff

MANY = 300


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization whose messages wait, in tables that were empty when the planner looked."""
    crowd = await Crowd.of(bench)
    async with crowd.db.psycopg.connection() as connection:
        await connection.execute("VACUUM (ANALYZE) messages, notifications")
    await crowd.add(*(f"u-{number}" for number in range(MANY)))
    told = await crowd.tell(PlainSms(text="Come on."), Audience(all=True))
    assert await crowd.decide(told) == MANY
    return crowd


async def first_sent(crowd: Crowd, share: int) -> None:
    """The first of that many messages are sent; those behind them wait."""
    await crowd.run(
        "UPDATE messages SET status = 'sent' WHERE id IN (SELECT id FROM messages ORDER BY id LIMIT :share)",
        share=share,
    )


async def test_a_notification_is_looked_at_from_its_first_message_that_waits(crowd: Crowd) -> None:
    chore = SeeNotificationsOff(crowd.db)
    await first_sent(crowd, MANY - 2)
    assert await chore.work() == 0
    before = await rows_read(crowd.db, "messages%")
    assert await chore.work() == 0
    assert await rows_read(crowd.db, "messages%") - before < MANY / 10
    await first_sent(crowd, MANY)
    assert await chore.work() == 1


async def test_a_message_that_waits_again_keeps_its_notification_from_ending(crowd: Crowd) -> None:
    chore = SeeNotificationsOff(crowd.db)
    await first_sent(crowd, MANY - 2)
    assert await chore.work() == 0
    await first_sent(crowd, MANY)
    again = "UPDATE messages SET status = :status WHERE id = (SELECT id FROM messages ORDER BY id LIMIT 1)"
    await crowd.run(again, status="queued")
    assert [await chore.work(), await chore.work()] == [0, 0]
    await crowd.run(again, status="sent")
    assert await chore.work() == 1


async def test_messages_whose_jobs_wait_are_looked_through_by_pages(crowd: Crowd) -> None:
    await crowd.run("UPDATE messages SET updated_at = now() - interval '1 minute'")
    cursor = SettleCursor()
    before = await rows_read(crowd.db, "messages%")
    await settle_messages(crowd.db, limit=10, cursor=cursor)
    assert cursor.after_id.int > 0
    assert await rows_read(crowd.db, "messages%") - before < MANY / 10
