"""What had ended, and is tried anew, is one more call to its mailbox or number: it waits its turn, and counts."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from comms_desk import ORGANIZATION, SONG, Desk

from singr_comms import PermanentSendError, PlainSms, TransientError, UnknownOutcomeError
from singr_comms.notifications import MessageSender, SmsRequest, queue_sms, resolve_delivery
from singr_config import LimitSettings
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, RetryLater

NOBODY = PermanentSendError("smtp_550", "no such user here")
FULL = TransientError("smtp_452", "the mailbox is full", about_recipient=True, waits=True)
BUSY = TransientError("http_503", "busy")
INVALID = PermanentSendError("twilio_21211", "no number")
_CANCELLED = """UPDATE messages SET status = 'suppressed', error = '{"code": "cancelled"}' WHERE id = :id"""
# As a job's row and those of its attempts are once it failed, or was cancelled after one, and is to be tried anew.
_JOB_ANEW = """
INSERT INTO job_attempts (job_id, attempt, organization_id, outcome, finished_at)
SELECT job_id, 1, organization_id, 'failed', clock_timestamp() FROM messages WHERE id = :id
"""


@pytest.fixture
def noon(clock: VirtualClock) -> VirtualClock:
    tomorrow = clock.now() + timedelta(days=1)
    clock.move_to(tomorrow.replace(hour=12, minute=0, second=0, microsecond=0))
    return clock


async def failed(desk: Desk, *, to: str = "jane@example.org") -> UUID:
    """A message that its server refused for good."""
    message_id: UUID = await desk.bench.queue(SONG, to=to)
    await fails(desk, message_id)
    return message_id


async def fails(desk: Desk, message_id: UUID) -> None:
    desk.bench.email.fail_next(NOBODY)
    with pytest.raises(PermanentError, match="no such user"):
        await desk.send(message_id)


async def waits(desk: Desk, message_id: UUID) -> str:
    """Have it tried: it waits, at no cost in attempts, and nobody is called; returns for what."""
    calls = desk.bench.email.calls
    waiting = await desk.held(message_id)
    assert (waiting.counts, desk.bench.email.calls) == (False, calls)
    return waiting.code


# --- one call in ten seconds -----------------------------------------------------------------------------------------


async def test_what_failed_is_called_about_once_in_ten_seconds_however_often_it_is_tried_anew(
    noon: VirtualClock, desk: Desk
) -> None:
    message_id = await failed(desk)
    for _ in range(3):
        assert [await waits(desk, message_id) for _ in range(4)] == ["just_tried"] * 4
        noon.advance(seconds=10)
        await fails(desk, message_id)
    assert desk.bench.email.calls == 4


async def test_what_was_cancelled_while_it_waited_is_called_about_once_in_ten_seconds(
    noon: VirtualClock, desk: Desk
) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(*[FULL] * 9)
    await desk.held(message_id, last=True)
    for _ in range(2):
        await desk.sql(_CANCELLED, id=message_id)
        assert await waits(desk, message_id) == "just_tried"
        for _ in range(2):  # of the attempts that its job has anew
            noon.advance(seconds=10)
            assert (await desk.held(message_id)).counts
            assert await waits(desk, message_id) == "smtp_452"
    assert desk.bench.email.calls == 5


async def test_what_is_tried_anew_before_its_cancelled_job_is_seen_off_waits_too(
    noon: VirtualClock, desk: Desk
) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(BUSY, BUSY)
    assert (await desk.held(message_id)).counts
    await desk.sql(_JOB_ANEW, id=message_id)
    assert await waits(desk, message_id) == "http_503"
    noon.advance(seconds=10)
    assert (await desk.held(message_id)).counts
    await desk.send(message_id)


async def test_what_people_let_be_sent_again_waits_until_ten_seconds_after_the_call(
    noon: VirtualClock, desk: Desk
) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(UnknownOutcomeError("timeout", "no answer"))
    with pytest.raises(RetryLater):
        await desk.send(message_id)
    async with desk.bench.db.platform() as session:
        await resolve_delivery(session, message_id, organization_id=ORGANIZATION, outcome="send_again")
    await waits(desk, message_id)
    noon.advance(seconds=10)
    await desk.send(message_id)


@pytest.mark.usefixtures("noon")
async def test_attempts_of_one_job_are_as_far_apart_as_ever(desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(BUSY, BUSY)
    assert [(await desk.held(message_id)).counts for _ in range(2)] == [True, True]
    await desk.send(message_id, last=True)


# --- the limit of its reader -----------------------------------------------------------------------------------------


async def test_mailbox_is_called_no_more_than_its_limit_in_an_hour_however_often_one_is_tried_anew(
    bench: Any, noon: VirtualClock
) -> None:
    bench.limits = LimitSettings(email_per_hour=3)
    desk = Desk(bench)
    message_id = await failed(desk)
    for calls in (3, 6):
        while bench.email.calls < calls:
            noon.advance(seconds=10)
            await fails(desk, message_id)
        noon.advance(seconds=10)
        assert await waits(desk, message_id) == "recipient_limit"
        row = await bench.row(message_id)
        assert (row.status, row.error["code"]) == ("queued", "recipient_limit")
        assert row.content_sealed
        noon.advance(seconds=10)
        assert await waits(desk, message_id) == "recipient_limit", "and so it does the next time"
        noon.advance(hours=1)
    await desk.send(message_id)


async def test_number_is_called_no_more_than_its_limit_in_an_hour(bench: Any, noon: VirtualClock) -> None:
    bench.limits = LimitSettings(sms_per_hour=2)
    sender: MessageSender = bench.sender()
    request = SmsRequest(to="+15555550100", message=PlainSms(text="hello"))
    async with bench.db.tenant(ORGANIZATION) as session:
        queued = await queue_sms(session, request, sealer=bench.sealer, organization_id=ORGANIZATION)
    assert queued.message_id is not None
    bench.sms.fail_next(INVALID, INVALID)
    came = []
    for _ in range(3):
        try:
            await sender.send("sms", queued.message_id, organization_id=ORGANIZATION, is_last_attempt=False)
        except (PermanentError, RetryLater) as error:
            came.append(error.code)
        noon.advance(seconds=10)
    assert came == ["twilio_21211", "twilio_21211", "recipient_limit"]


async def test_what_was_held_up_after_it_had_ended_counts_all_the_same(bench: Any, noon: VirtualClock) -> None:
    bench.limits = LimitSettings(email_per_hour=1)
    desk = Desk(bench)
    message_id = await failed(desk)
    for _ in range(2):  # its provider takes nothing when it is tried anew
        await desk.sender._ledger.hold(message_id, organization_id=ORGANIZATION, channel="email", reason="away")
        assert (await bench.row(message_id)).status == "queued"
        noon.advance(seconds=10)
        assert await waits(desk, message_id) == "recipient_limit"
    noon.advance(hours=1)
    await desk.send(message_id)


async def test_what_people_let_be_sent_again_counts_again(bench: Any, noon: VirtualClock) -> None:
    bench.limits = LimitSettings(email_per_hour=1)
    desk, message_id = Desk(bench), await bench.queue(SONG)
    bench.email.fail_next(UnknownOutcomeError("timeout", "no answer"))
    with pytest.raises(RetryLater):
        await desk.send(message_id)
    async with bench.db.platform() as session:
        await resolve_delivery(session, message_id, organization_id=ORGANIZATION, outcome="send_again")
    noon.advance(seconds=10)
    assert await waits(desk, message_id) == "recipient_limit"
    noon.advance(hours=1)
    await desk.send(message_id)


async def test_what_is_tried_anew_counts_once_and_not_with_each_attempt(bench: Any, noon: VirtualClock) -> None:
    bench.limits = LimitSettings(email_per_hour=2)
    desk = Desk(bench)
    message_id = await failed(desk)
    noon.advance(seconds=10)
    bench.email.fail_next(BUSY, BUSY)
    assert [(await desk.held(message_id)).counts for _ in range(2)] == [True, True]
    await desk.send(message_id)


async def test_what_an_outage_failed_is_sent_to_all_mailboxes_and_where_one_is_full_waits_for_room(
    bench: Any, noon: VirtualClock
) -> None:
    bench.limits = LimitSettings(email_per_hour=2, email_per_day=9)
    desk = Desk(bench)
    apart = [await failed(desk, to=f"{number}@example.org") for number in range(5)]
    together = [await failed(desk) for _ in range(2)]
    noon.advance(hours=1)
    fresh = await bench.queue(SONG)
    await desk.send(fresh)
    for message_id in (*apart, together[0]):
        await desk.send(message_id)
    assert await waits(desk, together[1]) == "recipient_limit"
    noon.advance(hours=1)
    await desk.send(together[1])


async def test_what_waits_for_room_after_it_had_ended_does_so_for_a_day_and_no_longer(
    bench: Any, noon: VirtualClock
) -> None:
    bench.limits = LimitSettings(email_per_hour=1)
    desk = Desk(bench)
    message_id = await failed(desk)
    noon.advance(days=2)
    for _ in range(25):
        await desk.send(await bench.queue(SONG))
        try:
            assert await waits(desk, message_id) == "recipient_limit"
        except PermanentError as error:
            assert "the limit" in error.message  # noqa: PT017 - it ends some time
            break
        noon.advance(hours=1)
    assert (await bench.row(message_id)).error["code"] == "expired"
