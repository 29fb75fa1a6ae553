"""Limits and erasing in memory: what is over one says which, and of who is forgotten nothing is left."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from comms_both import Accounts
from test_comms_memory import ADA, ORGANIZATION, SEALER, SMS, START, put

from singr_comms.catalogue import Message
from singr_comms.messages.security_notice import MESSAGE_TYPE as SECURITY
from singr_comms.notifying import Target, notify
from singr_comms.people import (
    DigestTime,
    QuietHours,
    RecipientInput,
    RecipientNotFoundError,
    erase_recipient,
    put_recipient,
    recipient_named,
    remove_recipient,
)
from singr_comms.people.inbox import count_inbox
from singr_comms.testing import MemoryNotifications
from singr_config import LimitSettings


async def tell(outbox: MemoryNotifications, what: Any = SMS, **options: Any) -> None:
    async with outbox.tenant(ORGANIZATION) as session:
        await notify(session, what, Target(recipient="ada"), sealer=SEALER, **options)


def reasons(outbox: MemoryNotifications) -> Counter[str | None]:
    return Counter(message.reason for message in outbox.messages)


async def test_what_is_over_a_readers_hour_is_held_back_until_the_next() -> None:
    outbox = MemoryNotifications(now=START, limits=LimitSettings(sms_per_hour=2))
    await put(outbox, ada=ADA)
    for _ in range(3):
        await tell(outbox)
    assert reasons(outbox) == {None: 2, "recipient_limit": 1}
    words = "the recipient was sent 2 messages in this hour, which is the limit"
    assert (outbox.held_back[0].words, outbox.held_back[0].status) == (words, "suppressed")
    await outbox.advance(timedelta(hours=1))
    await tell(outbox)
    assert reasons(outbox) == {None: 3, "recipient_limit": 1}


async def test_what_the_night_held_and_digests_wait_for_room_and_nothing_of_them_is_lost() -> None:
    outbox = MemoryNotifications(now=START, limits=LimitSettings(email_per_hour=1))
    night = QuietHours(starts="09:00", ends="11:00")
    await put(outbox, ada=RecipientInput(email="ada@example.org", time_zone="UTC", quiet_hours=night))
    said = {"data": {"title": "You", "text": "Come on."}, "channels": ["email"]}
    for _ in range(2):
        await tell(outbox, "plain", **said)
    await tell(outbox, "plain", **said, expires_at=START + timedelta(hours=2, minutes=30))
    await outbox.advance(timedelta(hours=2))
    assert [(one.status, one.reason) for one in outbox.messages] == [
        ("sent", None),
        ("queued", None),
        ("suppressed", "recipient_limit"),
    ], "the last would be of no use in an hour"
    await outbox.advance(timedelta(hours=1))
    assert reasons(outbox) == {None: 2, "recipient_limit": 1}


async def test_a_digest_over_a_readers_hour_waits_for_the_next() -> None:
    outbox = MemoryNotifications(now=START, limits=LimitSettings(email_per_hour=1))
    given = RecipientInput(email="ada@example.org", time_zone="UTC", digest=DigestTime(at="09:30"))
    await put(outbox, ada=given)
    said = {"data": {"title": "You", "text": "Come on."}, "channels": ["email"]}
    await tell(outbox, "plain", **said, digest="daily")
    await tell(outbox, "plain", **said)
    await outbox.advance(timedelta(minutes=30))
    [digest] = outbox.waiting
    assert (digest.type, digest.waits_until) == ("digest", START + timedelta(hours=1))
    await outbox.advance(timedelta(minutes=30))
    assert [one.type for one in outbox.sent] == ["plain", "digest"]


async def test_an_account_has_one_count_and_an_organization_its_day() -> None:
    outbox = MemoryNotifications(now=START, limits=LimitSettings(sms_per_hour=1, sms_per_day=2))
    async with outbox.tenant(ORGANIZATION) as session:
        given = RecipientInput(user_id=uuid4(), phone="+15555550100")
        await put_recipient(session, "ada", given, sealer=SEALER, directory=Accounts())
    for hours in (0, 0, 1, 1):
        await outbox.advance(timedelta(hours=hours))
        await tell(outbox)
    assert reasons(outbox) == {None: 2, "user_limit": 1, "organization_limit": 1}


async def test_what_concerns_security_is_never_over_a_limit() -> None:
    outbox = MemoryNotifications(now=START, limits=LimitSettings(email_per_hour=1))
    await put(outbox, ada=ADA)
    notice: Message = next(message for channel, message in SECURITY.samples() if channel == "email")
    for _ in range(2):
        await tell(outbox, notice)
    for _ in range(2):
        await tell(outbox, "plain", data={"title": "You", "text": "Come on."}, channels=["email"])
    assert [one.reason for one in outbox.messages] == [None, None, None, "recipient_limit"]


async def test_of_who_is_erased_nothing_is_left_and_nothing_goes() -> None:
    outbox = MemoryNotifications(now=START)
    night = QuietHours(starts="09:00", ends="11:00")
    await put(outbox, ada=RecipientInput(email="ada@example.org", phone="+15555550100", quiet_hours=night))
    await tell(outbox)  # waits for the end of the night
    said = {"title": "You", "text": "Come on."}
    await tell(outbox, "plain", data=said, channels=["email", "inbox"], digest="daily")
    async with outbox.tenant(ORGANIZATION) as session:
        ada = await recipient_named(session, "ada")
        await erase_recipient(session, "ada", sealer=SEALER)
    await outbox.advance(timedelta(days=2))
    assert reasons(outbox) == {"erased": 1, "digested": 1, None: 1}
    assert {(one.recipient, one.to, one.message) for one in outbox.messages} == {(None, None, None)}
    async with outbox.tenant(ORGANIZATION) as session:
        assert (await count_inbox(session, ada.id)).position == 0
        with pytest.raises(RecipientNotFoundError):
            await erase_recipient(session, "ada", sealer=SEALER)


async def test_a_digest_that_had_nothing_to_tell_does_not_say_whose_it_was_once_they_are_erased() -> None:
    outbox = MemoryNotifications(now=START)
    await put(outbox, ada=ADA)
    said = {"title": "You", "text": "Come on."}
    over = START + timedelta(hours=1)
    await tell(outbox, "plain", data=said, channels=["email"], digest="daily", expires_at=over)
    await outbox.advance(timedelta(days=2))
    assert [(one.recipient, one.reason) for one in outbox.messages] == [("ada", "digested"), ("ada", "digest_empty")]
    async with outbox.tenant(ORGANIZATION) as session:
        await erase_recipient(session, "ada", sealer=SEALER)
    await outbox.advance(timedelta(seconds=1))
    assert [(one.recipient, one.to, one.message, one.reason) for one in outbox.messages] == [
        (None, None, None, "digested"),
        (None, None, None, "digest_empty"),
    ]


async def test_who_was_taken_off_or_came_back_can_be_erased() -> None:
    outbox = MemoryNotifications(now=START)
    await put(outbox, ada=ADA)
    await tell(outbox)
    async with outbox.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "ada")
    await put(outbox, ada=ADA)
    await tell(outbox)
    async with outbox.tenant(ORGANIZATION) as session:
        await erase_recipient(session, "ada", sealer=SEALER)
        with pytest.raises(RecipientNotFoundError):
            await erase_recipient(session, "nobody", sealer=SEALER)
    assert [one.message for one in outbox.messages] == [None, None]
