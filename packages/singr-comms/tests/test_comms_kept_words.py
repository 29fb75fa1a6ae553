"""What a notification says is kept no longer than somebody is to be told it."""

from typing import Any
from uuid import UUID

import pytest
from comms_crowds import Crowd
from sqlalchemy import text

from singr_comms import PlainSms
from singr_comms.notifying import Audience, Target, cancel_notification
from singr_comms.notifying.chores._see_notifications_off import SeeNotificationsOff
from singr_comms.people import EraseRecipient, erase_recipient
from singr_comms.people.privacy._blanking import Blanking

WORDS = PlainSms(text="Doctor Day sees you at nine.")
_LEFT = text("SELECT DISTINCT notification_id FROM notification_contents")


@pytest.fixture
async def crowd(bench: Any) -> Crowd:
    """An organization's recipients."""
    return await Crowd.of(bench)


async def left(crowd: Crowd) -> set[UUID]:
    async with crowd.db.platform() as session:
        return set((await session.scalars(_LEFT)).all())


async def erase(crowd: Crowd, name: str) -> None:
    async with crowd.db.tenant(crowd.organization) as session:
        await erase_recipient(session, name, sealer=crowd.sealer)
    job = EraseRecipient(crowd.ids[name], (), is_last=True)
    await Blanking(crowd.db).run(job, organization_id=crowd.organization)


async def test_words_go_with_the_last_whom_their_notification_names(crowd: Crowd) -> None:
    await crowd.add("u-1", "u-2")
    alone = await crowd.tell(WORDS, [Target(recipient="u-1")])
    both = await crowd.tell(WORDS, [Target(recipient="u-1"), Target(recipient="u-2")])
    bare = await crowd.tell(WORDS, [Target(recipient="u-1"), Target(phone="+15555550199")])
    everybody = await crowd.tell(WORDS, Audience(all=True))
    await erase(crowd, "u-1")
    assert await left(crowd) == {both.id, bare.id, everybody.id}
    assert await crowd.decide(alone) == 1
    assert [row.code for row in await crowd.messages(alone)] == ["erased"]
    await erase(crowd, "u-2")
    assert await left(crowd) == {bare.id, everybody.id}


async def test_whose_words_are_gone_while_they_are_still_named_counts_as_erased(crowd: Crowd) -> None:
    bare = await crowd.tell(WORDS, [Target(phone="+15555550199")])
    await crowd.run("DELETE FROM notification_contents")  # as an erasure of a former release left it that broke off
    assert await crowd.decide(bare) == 1
    assert [row.code for row in await crowd.messages(bare)] == ["erased"]


async def test_words_go_with_the_end_of_their_notification(crowd: Crowd) -> None:
    await crowd.add("u-1")
    told, cancelled = [await crowd.tell(WORDS, Audience(all=True)) for _ in range(2)]
    async with crowd.db.tenant(crowd.organization) as session:
        await cancel_notification(session, cancelled.id)
    assert await left(crowd) == {told.id}
    await crowd.decide(told)
    await SeeNotificationsOff(crowd.db).work()
    assert await left(crowd) == {told.id}, "it is on its way"
    await crowd.run("UPDATE messages SET status = 'sent'")
    await SeeNotificationsOff(crowd.db).work()
    assert await left(crowd) == set()
