"""Quiet hours in memory hold, drop and keep what they do in the database."""

from datetime import timedelta
from typing import Any

import pytest
from test_comms_memory import ADA, ORGANIZATION, SEALER, SMS, START, given_of, put, text_of

from singr_comms.catalogue import Message
from singr_comms.messages.campaign import MESSAGE_TYPE as CAMPAIGN
from singr_comms.messages.new_review import MESSAGE_TYPE as NEW_REVIEW
from singr_comms.messages.pickup_reminder import MESSAGE_TYPE as PICKUP_REMINDER
from singr_comms.notifying import (
    Target,
    cancel_notification,
    notify,
    pause_notification,
    read_notification,
    resume_notification,
)
from singr_comms.people import (
    PreferenceChoice,
    QuietHours,
    RecipientInput,
    change_preferences,
    preferences_holder,
    remove_recipient,
)
from singr_comms.testing import MemoryNotifications
from singr_jobs import Priority

NIGHT = QuietHours(starts="09:00", ends="11:00")
"""It is nine o'clock as a test begins."""


@pytest.fixture
def outbox() -> MemoryNotifications:
    return MemoryNotifications(now=START)


async def tell_at_night(outbox: MemoryNotifications, what: Message, **options: Any) -> Any:
    await put(outbox, ada=RecipientInput(**{**given_of(ADA), "quiet_hours": NIGHT}))
    async with outbox.tenant(ORGANIZATION) as session:
        return await notify(session, what, Target(recipient="ada"), sealer=SEALER, **options)


async def test_quiet_hours_hold_drop_or_keep_what_does_not_press(outbox: MemoryNotifications) -> None:
    for declared in (CAMPAIGN, NEW_REVIEW, PICKUP_REMINDER):
        await tell_at_night(outbox, text_of(declared))
    assert [message.reason for message in outbox.messages] == ["quiet_hours", "digested", None]
    told = await tell_at_night(outbox, SMS)
    await tell_at_night(outbox, SMS, priority=Priority.HIGH)
    await tell_at_night(outbox, SMS, expires_at=START + timedelta(hours=1))
    held, pressing, over = outbox.messages[3:]
    assert (held.status, held.waits_until, held.reason) == ("queued", START + timedelta(hours=2), None)
    assert (pressing.status, over.reason) == ("sent", "expired")
    assert "quiet hours end after" in (over.words or "")
    assert outbox.waiting == [held]
    async with outbox.tenant(ORGANIZATION) as session:
        read = await read_notification(session, told.id)
    assert read is not None
    assert (read.state, read.counts[0].status) == ("sending", "queued")
    await outbox.advance(timedelta(hours=2))
    assert outbox.waiting == []
    assert outbox.messages[3].status == "sent"


async def test_what_quiet_hours_hold_is_looked_at_again_as_they_end(outbox: MemoryNotifications) -> None:
    cancelled, paused, _ = [await tell_at_night(outbox, SMS) for _ in range(3)]
    async with outbox.tenant(ORGANIZATION) as session:
        counted = await cancel_notification(session, cancelled.id)
        await pause_notification(session, paused.id)
        off = PreferenceChoice(scope="type", name="plain", allowed=False)
        await change_preferences(session, await preferences_holder(session, "ada"), [off], source="recipient")
    assert (counted.stopped, counted.already_sent) == (1, 0)
    await outbox.advance(timedelta(hours=3))
    assert [message.reason for message in outbox.messages] == ["cancelled", None, "preference"]
    async with outbox.tenant(ORGANIZATION) as session:
        await remove_recipient(session, "ada")
        await resume_notification(session, paused.id)
    assert [message.reason for message in outbox.messages] == ["cancelled", "erased", "preference"]


async def test_quiet_hours_that_were_extended_since_hold_what_waits_once_more(outbox: MemoryNotifications) -> None:
    await tell_at_night(outbox, SMS)
    await tell_at_night(outbox, SMS, expires_at=START + timedelta(hours=2, minutes=30))
    longer = QuietHours(starts="09:00", ends="12:00")
    await put(outbox, ada=RecipientInput(**{**given_of(ADA), "quiet_hours": longer}))
    await outbox.advance(timedelta(hours=2, minutes=15))
    assert [one.waits_until for one in outbox.waiting] == [START + timedelta(hours=3)] * 2
    await outbox.advance(timedelta(hours=1))
    assert [(one.status, one.reason) for one in outbox.messages] == [("sent", None), ("suppressed", "expired")]
