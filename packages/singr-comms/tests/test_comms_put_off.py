"""What passes costs no message: once its attempts are spent it waits, within the limits of its reader and its time."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from comms_desk import CODE, ORGANIZATION, SONG, Clock, Desk
from comms_stage import AWAY, Process, Stage

from singr_comms import AccountRefusedError, TransientError
from singr_config import LimitSettings
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, RetryLater

FULL = TransientError("smtp_452", "the mailbox is full", about_recipient=True, waits=True)
BUSY = TransientError("http_503", "busy")


@pytest.mark.parametrize(
    "error",
    [
        TransientError("connection", "the connection failed before the request was sent", waits=True),
        TransientError("smtp_450", "greylisted", about_recipient=True, waits=True),
        TransientError("smtp_451", "try again later", doubtful=True, waits=True),
    ],
    ids=lambda error: error.code,
)
async def test_what_passes_is_waited_for_less_and_less_often_once_attempts_are_spent(
    clock: VirtualClock, desk: Desk, error: TransientError
) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(*[error] * 9)
    assert [(await desk.held(message_id)).counts for _ in range(2)] == [True, True]
    waits = []
    for _ in range(7):
        waits.append(await desk.held(message_id, last=True))
        clock.advance(seconds=waits[-1].after)
    assert [(one.after, one.counts) for one in waits] == [(n, False) for n in (30, 60, 120, 240, 480, 480, 480)]
    assert (await desk.bench.row(message_id)).status == "queued"
    await desk.send(message_id, last=True)
    assert await desk.bench.story(message_id) == ("sent", ["failed"] * 9 + ["sent"])


async def test_what_does_not_pass_while_a_message_is_of_use_ends_it_as_expired(clock: VirtualClock, desk: Desk) -> None:
    message_id, code = await desk.bench.queue(SONG), await desk.bench.queue(CODE)
    for one in (message_id, code):
        desk.bench.email.fail_next(TransientError("smtp_450", "later", waits=True))
        await desk.held(one, last=True)
    for one, hours in ((code, 1), (message_id, 24)):
        clock.advance(hours=hours)
        with pytest.raises(PermanentError, match="expired"):
            await desk.send(one, last=True)
    row = await desk.bench.row(code)
    assert (row.status, bytes(row.content_sealed)) == ("failed", b"")
    assert desk.bench.email.sent == []


async def test_wait_that_a_provider_asks_for_is_kept_to_when_attempts_are_spent(desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(TransientError("connection", "nobody listens", retry_after=1800, waits=True))
    assert (await desk.held(message_id, last=True)).after == 1800


async def test_whoever_asked_for_attempts_of_their_own_is_told_after_these(desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(TransientError("connection", "nobody listens", waits=True))
    with pytest.raises(RetryLater) as caught:
        await desk.bench.sender().send(
            "email", message_id, organization_id=ORGANIZATION, is_last_attempt=True, may_wait=False
        )
    assert caught.value.counts
    assert (await desk.bench.row(message_id)).status == "failed"


# --- the limit of its reader -----------------------------------------------------------------------------------------


@pytest.fixture
def noon(clock: VirtualClock) -> VirtualClock:
    tomorrow = clock.now() + timedelta(days=1)
    clock.move_to(tomorrow.replace(hour=12, minute=0, second=0, microsecond=0))
    return clock


async def outcomes(desk: Desk, messages: list[UUID]) -> list[str]:
    """What came of one try of each: sent, or the code for which it waits, and whether it counts."""
    came = []
    for message_id in messages:
        try:
            await desk.send(message_id, last=True)
            came.append("sent")
        except RetryLater as error:
            came.append(f"{error.code} {error.counts}")
    return came


async def test_mailbox_that_opens_after_hours_is_sent_no_more_than_its_limit_in_an_hour(
    bench: Any, noon: VirtualClock
) -> None:
    bench.limits = LimitSettings(email_per_hour=2)
    desk, messages = Desk(bench), []
    for _ in range(3):
        fresh = [await bench.queue(SONG) for _ in range(2)]
        bench.email.fail_next(*[FULL] * 2)
        assert await outcomes(desk, fresh) == ["smtp_452 False"] * 2
        messages += fresh
        noon.advance(hours=1)
    for left in (6, 4, 2):
        waiting = [one for one in messages if (await bench.row(one)).status != "sent"]
        assert len(waiting) == left
        assert await outcomes(desk, waiting) == ["sent"] * 2 + ["recipient_limit False"] * (left - 2)
        with pytest.raises(PermanentError, match="recipient_limit"):
            await desk.send(await bench.queue(SONG))
        noon.advance(hours=1)
    assert len(bench.email.sent) == 6


async def test_what_waits_counts_once_in_an_hour_and_once_on_a_day(bench: Any, noon: VirtualClock) -> None:
    bench.limits = LimitSettings(email_per_hour=2, email_per_day=2)
    desk, message_id = Desk(bench), await bench.queue(SONG)
    bench.email.fail_next(*[FULL] * 9)
    for _ in range(3):
        for _ in range(3):
            assert (await desk.held(message_id, last=True)).code == "smtp_452"
            noon.advance(minutes=8)
        noon.advance(minutes=36)
    await desk.send(await bench.queue(SONG))


async def test_what_waits_for_room_waits_until_the_next_hour(bench: Any, noon: VirtualClock) -> None:
    bench.limits = LimitSettings(email_per_hour=1)
    desk, message_id = Desk(bench), await bench.queue(SONG)
    bench.email.fail_next(FULL)
    await desk.held(message_id, last=True)
    noon.advance(hours=1)
    await desk.send(await bench.queue(SONG))
    assert 3500 < (await desk.held(message_id, last=True)).after <= 3602


async def test_nothing_waits_for_room_longer_than_it_is_wanted(bench: Any, noon: VirtualClock) -> None:
    bench.limits = LimitSettings(email_per_hour=1)
    desk, message_id = Desk(bench), await bench.queue(SONG)
    ends = noon.now() + timedelta(minutes=61)
    await desk.sql("UPDATE messages SET expires_at = :ends WHERE id = :id", ends=ends, id=message_id)
    bench.email.fail_next(FULL)
    await desk.held(message_id, last=True)
    noon.advance(hours=1)
    await desk.send(await bench.queue(SONG))
    held = await desk.held(message_id, last=True)
    assert (held.code, held.after <= 60) == ("recipient_limit", True)


# --- whoever has it tried at once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [FULL, AccountRefusedError("twilio_21608", "unverified", only_some=True)])
async def test_what_was_put_off_is_tried_once_in_ten_seconds_however_often_somebody_asks(
    clock: VirtualClock, desk: Desk, error: TransientError
) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(*[error] * 3)
    await desk.held(message_id, last=True)
    for calls in (1, 2):
        for _ in range(5):
            held = await desk.held(message_id, last=True)
            assert (held.code, held.counts) == (error.code, False)
            assert held.after <= 10
        assert desk.bench.email.calls == calls
        clock.advance(seconds=10)
        await desk.held(message_id, last=True)


# --- several providers -----------------------------------------------------------------------------------------------


async def test_first_wait_is_as_long_however_many_providers_and_attempts_there_were(
    stage: Stage, clock: VirtualClock
) -> None:
    message_id, waits = await stage.queue(), []
    for number in range(7):
        stage.first.fail_next(AWAY)
        stage.second.fail_next(AWAY)
        with pytest.raises(RetryLater) as caught:
            await Process(stage.bench, Clock(), stage.first, stage.second).send(message_id, last=number >= 4)
        waits.append(caught.value.after)
        clock.advance(seconds=max(waits[-1], 1))
    assert waits[4:] == [30, 60, 120]


@pytest.mark.parametrize("errors", [(AWAY, BUSY), (BUSY, AWAY)], ids=["first", "second"])
async def test_who_is_asked_last_does_not_decide_whether_a_message_waits(
    stage: Stage, errors: tuple[TransientError, TransientError]
) -> None:
    message_id = await stage.queue()
    stage.first.fail_next(errors[0])
    stage.second.fail_next(errors[1])
    assert await stage.one.waits(message_id, last=True) == (errors[1].code, False)
    assert (await stage.bench.row(message_id)).status == "queued"


async def test_what_all_providers_answer_that_they_do_not_take_ends_with_its_last_attempt(stage: Stage) -> None:
    message_id = await stage.queue()
    stage.first.fail_next(BUSY)
    stage.second.fail_next(BUSY)
    assert await stage.one.waits(message_id, last=True) == ("http_503", True)
    assert (await stage.bench.row(message_id)).status == "failed"


# --- its time --------------------------------------------------------------------------------------------------------


async def test_wait_ends_when_the_time_is_over_by_which_it_was_to_be_sent(clock: VirtualClock, desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    ends = clock.now() + timedelta(seconds=45)
    await desk.sql("UPDATE messages SET expires_at = :ends WHERE id = :id", ends=ends, id=message_id)
    desk.bench.email.fail_next(FULL, FULL)
    assert (await desk.held(message_id, last=True)).after == 30
    clock.advance(seconds=30)
    assert (await desk.held(message_id, last=True)).after <= 15
    clock.advance(seconds=15)
    with pytest.raises(PermanentError, match="the mailbox is full") as caught:
        await desk.send(message_id, last=True)
    row = await desk.bench.row(message_id)
    assert (caught.value.code, row.status, row.error["code"]) == ("expired", "suppressed", "expired")
    assert "the mailbox is full" in row.error["message"]


async def test_what_waited_until_it_was_of_no_use_says_for_what(clock: VirtualClock, desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(FULL)
    await desk.held(message_id, last=True)
    clock.advance(hours=25)
    with pytest.raises(PermanentError, match="the mailbox is full"):
        await desk.send(message_id, last=True)
