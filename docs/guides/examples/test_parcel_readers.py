"""How it is tested whom the parcel service tells: no server and no provider, by a clock of the test's own."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from parcel_readers import has_come, joins, wants_it_weekly, wants_no

from singr_comms.notifying import InvalidNotificationError, Target, notify
from singr_comms.people import RecipientInput, recipient_named
from singr_comms.people.inbox import list_inbox, mark_inbox
from singr_comms.testing import MemoryNotifications
from singr_config import Secret
from singr_db import Sealer

SEALER = Sealer(Secret("a secret of 32 characters or more"))
OURS = uuid4()
JANE = RecipientInput(name="Jane", email="jane@example.org", locale="de")
DEVICE = "device-token:0123456789"


def test_reader_is_told_once_by_each_way_that_reaches_them() -> None:
    async def two_calls() -> MemoryNotifications:
        outbox = MemoryNotifications()
        async with outbox.tenant(OURS) as session:
            await joins(session, "reader-7", JANE, DEVICE, sealer=SEALER)
            for _ in range(2):
                await has_come(session, "reader-7", "A-1", sealer=SEALER)
        return outbox

    outbox = asyncio.run(two_calls())
    assert [message.channel for message in outbox.sent] == ["email", "push", "inbox"]
    assert outbox.sent[0].preview().subject == "A parcel waits for you at Corner"
    [unreached] = outbox.held_back
    assert (unreached.channel, unreached.reason) == ("sms", "no_address")


def test_what_a_reader_switched_off_is_not_sent_and_says_by_which_rule() -> None:
    async def told_after_a_choice() -> MemoryNotifications:
        outbox = MemoryNotifications()
        async with outbox.tenant(OURS) as session:
            await joins(session, "reader-7", JANE, DEVICE, sealer=SEALER)
            await wants_no(session, "reader-7", "email")
            await has_come(session, "reader-7", "A-1", sealer=SEALER)
        return outbox

    unwanted = asyncio.run(told_after_a_choice()).held_back[0]
    assert (unwanted.channel, unwanted.reason, unwanted.rule) == ("email", "preference", "recipient:category+channel")


def test_what_a_reader_wants_weekly_is_kept_and_says_by_which_rule() -> None:
    async def told_after_a_choice() -> MemoryNotifications:
        outbox = MemoryNotifications()
        async with outbox.tenant(OURS) as session:
            await joins(session, "reader-7", JANE, DEVICE, sealer=SEALER)
            await wants_it_weekly(session, "reader-7")
            await has_come(session, "reader-7", "A-1", sealer=SEALER)
        return outbox

    outbox = asyncio.run(told_after_a_choice())
    assert [message.channel for message in outbox.sent] == ["inbox"]
    assert [(one.reason, one.rule) for one in outbox.held_back if one.channel != "sms"] == [
        ("digested", "recipient:category"),
        ("digested", "recipient:category"),
    ]
    asyncio.run(outbox.advance(timedelta(days=7)))
    [digest] = [message for message in outbox.sent if message.type == "digest"]
    assert "Your parcel is here" in digest.preview().text


def test_what_is_read_in_the_app_is_in_no_digest() -> None:
    async def read_in_the_app() -> MemoryNotifications:
        outbox = MemoryNotifications()
        async with outbox.tenant(OURS) as session:
            await joins(session, "reader-7", JANE, DEVICE, sealer=SEALER)
            await wants_it_weekly(session, "reader-7")
            await has_come(session, "reader-7", "A-1", sealer=SEALER)
        async with outbox.tenant(OURS) as session:
            reader = await recipient_named(session, "reader-7")
            [item] = (await list_inbox(session, SEALER, reader.id)).items
            await mark_inbox(session, reader.id, "read", ids=[item.id])
        await outbox.advance(timedelta(days=7))
        return outbox

    assert asyncio.run(read_in_the_app()).messages[-1].reason == "digest_empty"


def test_a_reminder_goes_nine_hours_later_and_not_before() -> None:
    async def reminded(hours: int) -> int:
        outbox = MemoryNotifications()
        async with outbox.tenant(OURS) as session:
            await joins(session, "reader-7", JANE, DEVICE, sealer=SEALER)
            said = {"user_name": "Jane", "shop": "Corner", "link": "https://parcels.example/A-1"}
            at = outbox.now + timedelta(hours=9)
            jane = Target(recipient="reader-7")
            await notify(session, "parcel_ready", jane, sealer=SEALER, data=said, channels=["email"], send_at=at)
        await outbox.advance(timedelta(hours=hours))
        return len(outbox.sent)

    assert [asyncio.run(reminded(hours)) for hours in (8, 9)] == [0, 1]


def test_what_is_wrong_is_told_before_anything_is_stored() -> None:
    async def tell_nobody() -> None:
        async with MemoryNotifications().tenant(OURS) as session:
            await has_come(session, "nobody", "A-1", sealer=SEALER)

    with pytest.raises(InvalidNotificationError, match=r"to\[0\]\.recipient"):
        asyncio.run(tell_nobody())
