"""A message's time runs while something holds it up, and only then: not while it waits for its reader or its author."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from comms_crowds import Crowd
from comms_desk import SONG, Desk

from singr_comms import AccountRefusedError, PlainSms, TransientError
from singr_comms.notifying import Target
from singr_comms.people import RecipientInput, put_recipient
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, RetryLater

REFUSED = AccountRefusedError("smtp_535", "no")
FULL = TransientError("smtp_452", "the mailbox is full", about_recipient=True, waits=True)
_PAUSE = "UPDATE notifications SET paused_at = "


async def ended_after_a_day(clock: VirtualClock, desk: Desk) -> UUID:
    """A message that its provider refused for a day."""
    message_id: UUID = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(REFUSED)
    await desk.held(message_id)
    clock.advance(hours=25)
    with pytest.raises(PermanentError, match="expired"):
        await desk.send(message_id)
    desk.clock.now += 60
    return message_id


@pytest.mark.parametrize("error", [FULL, REFUSED], ids=["full", "refused"])
async def test_what_is_tried_again_after_it_ended_may_wait_for_a_day_once_more(
    clock: VirtualClock, desk: Desk, error: TransientError
) -> None:
    message_id = await ended_after_a_day(clock, desk)
    clock.advance(days=2)
    desk.bench.email.fail_next(error)
    await desk.held(message_id, last=True)
    assert (await desk.bench.row(message_id)).status == "queued"
    clock.advance(hours=23)
    desk.clock.now += 60
    await desk.send(message_id, last=True)
    assert len(desk.bench.email.sent) == 1


async def test_what_is_tried_again_has_one_day_and_no_more(clock: VirtualClock, desk: Desk) -> None:
    message_id = await ended_after_a_day(clock, desk)
    for hours in (0, 12):
        clock.advance(hours=hours)
        desk.bench.email.fail_next(FULL)
        await desk.held(message_id, last=True)
    clock.advance(hours=12)
    desk.clock.now += 60
    with pytest.raises(PermanentError, match="no longer of use: the mailbox is full"):
        await desk.send(message_id, last=True)


async def test_no_wait_for_a_provider_is_longer_than_a_message_is_wanted(clock: VirtualClock, desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    ends = clock.now() + timedelta(seconds=1)
    await desk.sql("UPDATE messages SET expires_at = :ends WHERE id = :id", ends=ends, id=message_id)
    desk.bench.email.fail_next(REFUSED)
    assert (await desk.held(message_id)).after <= 1
    clock.advance(seconds=1)
    with pytest.raises(PermanentError, match="by then or not at all"):
        await desk.send(message_id)


async def test_time_for_which_its_notification_is_paused_is_not_a_messages_time(
    clock: VirtualClock, bench: Any
) -> None:
    crowd = await Crowd.of(bench)
    async with crowd.db.tenant(crowd.organization) as session:
        await put_recipient(session, "ada", RecipientInput(phone="+15555550100"), sealer=crowd.sealer)
    told = await crowd.tell(PlainSms(text="Come on."), [Target(recipient="ada")])
    await crowd.decide(told)
    [message] = await crowd.messages(told)

    async def send() -> None:
        whose = crowd.organization
        await bench.sender().send("sms", message.id, organization_id=whose, is_last_attempt=True)

    await crowd.run("UPDATE messages SET held_since = now() - interval '23 hours', expires_at = NULL")
    await crowd.run(f"{_PAUSE} now()")
    with pytest.raises(RetryLater, match="paused"):
        await send()
    clock.advance(hours=2)
    await crowd.run(f"{_PAUSE} NULL")
    await send()
    assert len(bench.sms.sent) == 1


async def test_what_is_tried_again_while_its_provider_refuses_us_waits_for_a_day_from_then(
    clock: VirtualClock, desk: Desk
) -> None:
    message_id = await ended_after_a_day(clock, desk)
    desk.bench.email.fail_next(REFUSED)
    await desk.held(await desk.bench.queue(SONG))
    for hours in (0, 12):
        clock.advance(hours=hours)
        await desk.held(message_id)
        row = await desk.bench.row(message_id)
        assert (row.status, row.error) == ("queued", None)
    clock.advance(hours=12)
    with pytest.raises(PermanentError, match="expired"):
        await desk.send(message_id)
