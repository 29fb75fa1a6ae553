"""However many notifications wait for their time, what looks after the others reads a few of them at a turn."""

from typing import Any

import pytest
from comms_crowds import Crowd
from comms_rows_read import rows_read
from sqlalchemy import text

from singr_comms import PlainSms
from singr_comms.notifying import Audience, OverdueNotifications
from singr_comms.notifying.chores import _see_notifications_off
from singr_comms.notifying.chores._see_notifications_off import SeeNotificationsOff
from singr_db import new_id
from singr_observability import build_metrics

MANY, FEW = 500, 10
_SCHEDULED = """
INSERT INTO notifications (id, organization_id, type, audience, channels, state, send_at, created_at, updated_at)
SELECT overlay(CAST(gen_random_uuid() AS text) PLACING '01900000-0000' FROM 1 FOR 13)::uuid, :organization, 'plain',
       '{"kind": "all"}', '{sms}', 'scheduled', now() + interval '3 days', now() - interval '2 days',
       now() - interval '2 days'
  FROM generate_series(1, 500)
"""
_CANCELLED = "UPDATE jobs SET status = 'cancelled', finished_at = now()"


@pytest.fixture
async def crowd(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    """An organization that asked long ago for much that comes in three days."""
    monkeypatch.setattr(_see_notifications_off, "_ASKED_ABOUT", FEW)
    crowd = await Crowd.of(bench)
    await crowd.add("u-1")
    await crowd.run(_SCHEDULED)
    async with crowd.db.psycopg.connection() as connection:
        await connection.execute("VACUUM (ANALYZE) notifications")
    return crowd


async def test_what_waits_for_its_time_is_not_read_by_what_sees_others_off(crowd: Crowd) -> None:
    chore, overdue = SeeNotificationsOff(crowd.db), OverdueNotifications(crowd.db, build_metrics())
    before = await rows_read(crowd.db, "notifications")
    assert [await chore.work(), await chore.work(), await overdue.work()] == [0, 0, 0]
    assert await rows_read(crowd.db, "notifications") - before <= 2 * FEW


async def test_a_cancelled_job_is_seen_at_once_of_what_is_due_however_much_waits(crowd: Crowd) -> None:
    told = await crowd.tell(PlainSms(text="1"), Audience(all=True))
    await crowd.run(_CANCELLED)
    assert await SeeNotificationsOff(crowd.db).work() == 1
    assert (await crowd.standing(told)).state == "cancelled"


async def test_a_cancelled_job_is_seen_of_each_that_waits_within_a_round(crowd: Crowd) -> None:
    chore = SeeNotificationsOff(crowd.db)
    async with crowd.db.platform() as session:
        ids = (await session.scalars(text("SELECT id FROM notifications ORDER BY id"))).all()
    first, last = ids[0], ids[-1]
    for which in (last, first):
        told = await crowd.tell(PlainSms(text="1"), Audience(all=True))
        await crowd.run(
            "UPDATE notifications SET job_id = (SELECT job_id FROM notifications WHERE id = :told) WHERE id = :id",
            told=told.id,
            id=which,
        )
        await crowd.run("DELETE FROM notifications WHERE id = :told", told=told.id)
    await crowd.run(_CANCELLED)
    turns = [await chore.work() for _ in range(MANY // FEW + 1)]
    assert sum(turns) == 2
    assert turns[0] == 1, "the first in order"
    await crowd.run("UPDATE notifications SET job_id = :job WHERE id = :id", job=new_id(), id=first)
    assert await chore.work() == 0, "and from the first one again"
