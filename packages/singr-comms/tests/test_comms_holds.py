"""A provider that refuses our account: its messages are kept, and sent once it accepts it again."""

import pytest
from comms_desk import CODE, REFUSED, SONG, Desk, several, untold
from sqlalchemy import text

from singr_comms import (
    AccountRefusedError,
    PermanentSendError,
    TooManyRequestsError,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms.notifications.sending import _sender
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError
from singr_jobs.running.attempts._failures import outage_behind


async def test_refusal_of_the_account_counts_no_attempt_even_at_the_last(desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(REFUSED)
    assert (await desk.held(message_id, last=True)).counts is False
    assert await desk.bench.story(message_id) == ("queued", ["failed"])


async def test_held_provider_is_not_called(desk: Desk) -> None:
    first, second = [await desk.bench.queue(SONG) for _ in range(2)]
    desk.bench.email.fail_next(REFUSED)
    await desk.held(first)
    held = await desk.held(second)
    assert (held.code, held.counts, desk.bench.email.calls) == ("provider_refused", False, 1)
    assert await desk.bench.story(second) == ("queued", [])


async def test_all_is_sent_once_the_account_is_accepted_again(desk: Desk) -> None:
    messages = [await desk.bench.queue(SONG) for _ in range(5)]
    desk.bench.email.fail_next(REFUSED)
    for message_id in messages:
        await desk.held(message_id)
    desk.clock.now += 3
    for message_id in messages:
        await desk.send(message_id)
    assert len(desk.bench.email.sent) == 5
    assert desk.gauge() == 0
    assert await desk.refusals() == []


async def test_refusal_is_a_gauge_a_row_and_one_line(desk: Desk, lines: list[str]) -> None:
    messages = [await desk.bench.queue(SONG) for _ in range(5)]
    desk.bench.email.fail_next(*[REFUSED] * 5)
    for message_id in messages:
        await desk.held(message_id)
        desk.clock.now += 60
    assert desk.gauge() == 1
    assert await desk.refusals() == [("email", "memory", "smtp_535")]
    assert sum("refuses us" in line for line in lines) == 1


async def test_one_message_at_a_time_finds_out_whether_it_is_over(desk: Desk) -> None:
    first, second, third = [await desk.bench.queue(SONG) for _ in range(3)]
    desk.bench.email.fail_next(REFUSED)
    await desk.held(first)
    desk.clock.now += 3
    desk.bench.email.before.append(lambda: desk.held(third))
    await desk.send(second)
    assert desk.bench.email.calls == 2


async def test_wait_that_a_provider_asks_for_ends_with_the_life_of_a_code(desk: Desk) -> None:
    message_id = await desk.bench.queue(CODE)
    desk.bench.email.fail_next(TransientError("http_503", "busy", retry_after=86_400.0))
    assert 200 < (await desk.held(message_id)).after <= 300


@pytest.mark.parametrize("tries", [0, 1])
async def test_code_whose_life_is_over_is_never_sent(clock: VirtualClock, desk: Desk, tries: int) -> None:
    message_id = await desk.bench.queue(CODE)
    for _ in range(tries):
        desk.bench.email.fail_next(TransientError("http_503", "busy"))
        await desk.held(message_id)
    clock.advance(minutes=6)
    with pytest.raises(PermanentError) as caught:
        await desk.send(message_id)
    assert caught.value.code == "expired"
    assert desk.bench.email.sent == []
    row = await desk.bench.row(message_id)
    assert (row.status, row.error["code"], bytes(row.content_sealed)) == ("failed", "expired", b"")


async def test_code_whose_outcome_is_unknown_stays_unknown_when_its_life_is_over(
    clock: VirtualClock, desk: Desk
) -> None:
    message_id = await desk.bench.queue(CODE)
    desk.bench.email.fail_next(UnknownOutcomeError("timeout", "?"))
    await desk.held(message_id)
    clock.advance(minutes=6)
    with pytest.raises(PermanentError):
        await desk.send(message_id)
    assert (await desk.bench.row(message_id)).status == "unknown"
    assert desk.bench.email.sent == []


async def test_message_that_was_held_for_a_day_is_not_sent_late(clock: VirtualClock, desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(REFUSED)
    await desk.held(message_id)
    clock.advance(hours=25)
    desk.clock.now += 60
    with pytest.raises(PermanentError):
        await desk.send(message_id)
    assert desk.bench.email.sent == []


async def test_old_message_without_a_life_of_its_own_is_sent(clock: VirtualClock, desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    clock.advance(days=9)
    await desk.send(message_id)
    assert len(desk.bench.email.sent) == 1


async def test_code_ends_with_its_own_life(clock: VirtualClock, desk: Desk) -> None:
    message_id = await desk.bench.queue(CODE)
    clock.advance(minutes=6)
    desk.bench.email.fail_next(REFUSED)
    with pytest.raises(PermanentError) as caught:
        await desk.send(message_id)
    assert caught.value.code == "expired"
    row = await desk.bench.row(message_id)
    assert (row.status, bytes(row.content_sealed)) == ("failed", b"")


async def test_other_message_ends_a_day_after_it_was_first_held(clock: VirtualClock, desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    clock.advance(days=9)
    desk.bench.email.fail_next(REFUSED)
    await desk.held(message_id)
    clock.advance(hours=25)
    with pytest.raises(PermanentError) as caught:
        await desk.send(message_id)
    assert caught.value.code == "expired"


async def test_message_that_is_refused_while_others_are_accepted_pays_for_itself(desk: Desk) -> None:
    poison, other = await desk.bench.queue(SONG), await desk.bench.queue(SONG)
    desk.bench.email.fail_next(REFUSED)
    assert (await desk.held(poison)).counts is False
    desk.clock.now += 5
    await desk.send(other)
    desk.bench.email.fail_next(REFUSED)
    assert (await desk.held(poison)).counts is True


async def test_too_many_requests_count_until_the_last_attempt_and_lose_nothing(desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(*[TooManyRequestsError("http_429", "busy")] * 2)
    assert (await desk.held(message_id)).counts is True
    assert (await desk.held(message_id, last=True)).counts is False
    assert (await desk.bench.row(message_id)).status == "queued"


async def test_refused_recipient_proves_that_the_account_is_accepted(desk: Desk) -> None:
    first, second = [await desk.bench.queue(SONG) for _ in range(2)]
    desk.bench.email.fail_next(REFUSED, PermanentSendError("smtp_550", "no such user"))
    await desk.held(first)
    desk.clock.now += 3
    with pytest.raises(PermanentError):
        await desk.send(second)
    assert desk.gauge() == 0


# --- an answer that does not tell whom it is about -------------------------------------------------------------------


async def test_same_answer_to_several_recipients_in_a_row_is_about_us(desk: Desk) -> None:
    messages = await several(desk, 4)
    desk.bench.email.fail_next(*[untold(f"the mail server answered 550: no [{number}]") for number in range(3)])
    assert [(await desk.held(message_id)).counts for message_id in messages[:3]] == [True, True, False]
    assert (await desk.held(messages[3])).code == "provider_refused"
    assert (desk.bench.email.calls, desk.gauge()) == (3, 1)
    assert await desk.refusals() == [("email", "memory", "smtp_550")]


async def test_all_are_sent_once_several_in_a_row_are_not_refused_any_more(desk: Desk) -> None:
    messages = await several(desk, 5)
    desk.bench.email.fail_next(*[untold()] * 3)
    for message_id in messages:
        await desk.held(message_id)
    desk.clock.now += 3
    for message_id in messages:
        await desk.send(message_id)
    assert (len(desk.bench.email.sent), desk.gauge(), await desk.refusals()) == (5, 0, [])


async def test_one_at_a_time_finds_out_whether_several_in_a_row_are_still_refused(desk: Desk) -> None:
    messages = await several(desk, 5)
    desk.bench.email.fail_next(*[untold()] * 4)
    for message_id in messages[:3]:
        await desk.held(message_id)
    desk.clock.now += 3
    assert [(await desk.held(message_id)).counts for message_id in messages[3:]] == [False, False]
    assert desk.bench.email.calls == 4


async def test_probe_that_an_open_breaker_stops_lets_another_one_find_out(desk: Desk) -> None:
    first, second = await several(desk, 2)
    desk.bench.email.fail_next(REFUSED)
    await desk.held(first)
    desk.clock.now += 3
    await desk.sql("UPDATE provider_health SET forced = 'open', forced_until = now() + interval '1 hour'")
    desk.sender._health._known = None  # it looks anew
    assert (await desk.held(first)).code == "provider_failing"
    await desk.sql("UPDATE provider_health SET forced = NULL")
    desk.sender._health._known = None
    desk.clock.now += 2
    await desk.send(second)
    assert desk.gauge() == 0


@pytest.mark.parametrize("between", [None, PermanentSendError("smtp_550", "no such user")], ids=["sent", "unknown"])
async def test_recipients_in_a_row_are_counted_anew_after_one_that_was_looked_at(
    desk: Desk, between: PermanentSendError | None
) -> None:
    messages = await several(desk, 4)
    desk.bench.email.fail_next(untold(), untold(), *([between] if between else []))
    for message_id in messages[:2]:
        await desk.held(message_id)
    if between:
        with pytest.raises(PermanentError):
            await desk.send(messages[2])
    else:
        await desk.send(messages[2])
    desk.bench.email.fail_next(untold())
    assert (await desk.held(messages[3])).counts is True
    assert desk.gauge() == 0


async def test_other_words_are_another_row(desk: Desk) -> None:
    messages = await several(desk, 3)
    desk.bench.email.fail_next(untold("550: looks like spam"), untold("550: no"), untold("550: we are closed"))
    assert [(await desk.held(message_id)).counts for message_id in messages] == [True, True, True]


async def test_one_recipient_is_no_row_however_often(desk: Desk) -> None:
    messages = [await desk.bench.queue(SONG) for _ in range(4)]
    desk.bench.email.fail_next(*[untold()] * 4)
    assert [(await desk.held(message_id)).counts for message_id in messages] == [True] * 4
    assert desk.gauge() == 0


async def test_message_that_is_refused_without_a_reason_ends_with_its_last_attempt(desk: Desk) -> None:
    message_id = await desk.bench.queue(CODE)
    desk.bench.email.fail_next(untold())
    assert (await desk.held(message_id, last=True)).counts is True
    row = await desk.bench.row(message_id)
    assert (row.status, row.error["code"], bytes(row.content_sealed)) == ("failed", "smtp_550", b"")


async def test_recipients_that_are_unknown_in_a_row_are_no_refusal_of_ours(desk: Desk) -> None:
    messages = await several(desk, 5)
    desk.bench.email.fail_next(*[PermanentSendError("smtp_550", "5.1.1 no such user")] * 5)
    for message_id in messages:
        with pytest.raises(PermanentError):
            await desk.send(message_id)
    assert desk.gauge() == 0


async def test_same_temporary_answer_to_several_recipients_in_a_row_is_about_us_too(desk: Desk) -> None:
    messages = await several(desk, 3)
    desk.bench.email.fail_next(*[TransientError("smtp_451", "451: later", doubtful=True)] * 3)
    assert [(await desk.held(message_id)).counts for message_id in messages] == [True, True, False]


# --- an outage of the ledger -----------------------------------------------------------------------------------------


async def test_ledger_that_is_locked_is_an_outage_and_no_attempt_that_took_too_long(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await desk.bench.queue(SONG)
    async with desk.bench.db.platform() as session:
        await session.execute(text("SELECT 1 FROM messages WHERE id = :id FOR UPDATE"), {"id": message_id})
        with monkeypatch.context() as patched:
            patched.setattr(_sender, "PATIENCE", 0.2)
            with pytest.raises(TimeoutError) as caught:
                await desk.send(message_id)
    assert outage_behind(caught.value), "its attempt does not count"
    assert desk.bench.email.calls == 0
    await desk.send(message_id)


async def test_probe_that_an_outage_stopped_lets_another_one_find_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await several(desk, 2)
    desk.bench.email.fail_next(REFUSED)
    await desk.held(first)
    desk.clock.now += 3
    with monkeypatch.context() as patched:
        patched.setattr(_sender, "PATIENCE", 0.0)
        with pytest.raises(TimeoutError):
            await desk.send(first)
    desk.clock.now += 2
    await desk.send(second)
    assert desk.gauge() == 0


# --- an account that is open to some recipients ----------------------------------------------------------------------

CLOSED_TO_THIS_ONE = AccountRefusedError("twilio_21608", "unverified", only_some=True)


async def test_account_that_is_open_to_others_holds_this_message_and_no_other(clock: VirtualClock, desk: Desk) -> None:
    unverified, verified = await several(desk, 2)
    desk.bench.email.fail_next(CLOSED_TO_THIS_ONE)
    assert (await desk.held(unverified, last=True)).counts is False
    await desk.send(verified)
    clock.advance(seconds=30)
    desk.bench.email.fail_next(CLOSED_TO_THIS_ONE)
    assert (await desk.held(unverified, last=True)).counts is False
    assert ("email", "memory", "twilio_21608") in await desk.refusals()
    clock.advance(seconds=60)
    await desk.send(unverified)
    assert (len(desk.bench.email.sent), desk.gauge()) == (2, 0)


async def test_account_that_is_open_to_others_is_asked_less_and_less_often(clock: VirtualClock, desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(*[CLOSED_TO_THIS_ONE] * 8)
    waits = []
    for _ in range(8):
        waits.append((await desk.held(message_id)).after)
        clock.advance(seconds=waits[-1])
    assert waits == [30, 60, 120, 240, 480, 480, 480, 480]


async def test_account_that_is_open_to_others_is_waited_for_as_long_as_a_code_is_good(
    clock: VirtualClock, desk: Desk
) -> None:
    message_id = await desk.bench.queue(CODE)
    clock.advance(minutes=4, seconds=50)
    desk.bench.email.fail_next(CLOSED_TO_THIS_ONE)
    assert (await desk.held(message_id)).after <= 10
