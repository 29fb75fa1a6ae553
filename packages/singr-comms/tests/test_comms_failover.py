"""A second provider takes what the first one certainly did not; a breaker tells which is worth calling."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from comms_desk import CODE, REFUSED
from comms_stage import AWAY, Process, Stage
from sqlalchemy import text

from singr_comms import (
    PermanentSendError,
    TooManyRequestsError,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms.channels._channel import LONGEST_CALL
from singr_comms.notifications.sending import _health
from singr_jobs import PermanentError, RetryLater

LOST = UnknownOutcomeError("http_500", "answered 500")


async def test_whoever_looks_at_once_after_the_last_failure_sees_the_breaker_open(stage: Stage):
    """Not only the one who happens to ask the database first: the others had called once more each."""
    await stage.one.send(await stage.queue())
    health = stage.one.sender._health
    for _ in range(10):
        await health.failed("email", "first", AWAY)
    waits = await asyncio.gather(*(health.wait("email", "first") for _ in range(5)))
    assert min(waits) > 0.0, waits


# --- one message ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [AWAY, TooManyRequestsError("http_429", "slower"), REFUSED], ids=lambda one: one.code)
async def test_what_was_certainly_not_taken_is_sent_by_the_second_in_the_same_try(
    stage: Stage, error: TransientError
) -> None:
    stage.first.fail_next(error)
    message_id = await stage.queue()
    assert await stage.one.send(message_id) == "second"
    assert await stage.attempts(message_id) == [("first", "failed"), ("second", "sent")]
    assert (await stage.bench.row(message_id)).provider == "second"


async def test_what_was_perhaps_sent_is_never_given_to_another(stage: Stage) -> None:
    stage.first.fail_next(LOST)
    message_id = await stage.queue()
    assert await stage.one.waits(message_id) == ("settling", False)
    await stage.force("open")
    stage.advance(600)
    assert await stage.one.waits(message_id) == ("provider_failing", False)
    await stage.force("closed")
    stage.advance(2)
    with pytest.raises(PermanentError) as caught:
        await stage.one.send(message_id)
    assert caught.value.code == "outcome_unknown", "the first cannot be asked, and the second knows nothing"
    assert stage.second.sent == []


async def test_code_that_was_perhaps_sent_is_repeated_where_it_was(stage: Stage) -> None:
    stage.first.fail_next(LOST, AWAY)
    message_id = await stage.queue(CODE)
    assert await stage.one.waits(message_id) == ("http_500", True)
    assert await stage.one.waits(message_id) == ("connection", True), "not taken this time, and perhaps the first time"
    await stage.force("open")
    stage.advance(2)
    assert await stage.one.waits(message_id) == ("provider_failing", False)
    await stage.force("closed")
    stage.advance(2)
    assert await stage.one.send(message_id) == "first"
    assert stage.second.sent == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PermanentSendError("mailbox_unknown", "no such user"), PermanentError),
        (TransientError("smtp_451", "greylisted", about_recipient=True), RetryLater),
    ],
)
async def test_what_speaks_of_the_recipient_moves_nothing_and_opens_nothing(
    stage: Stage, error: Any, kind: type[Exception]
) -> None:
    stage.first.fail_next(*[error] * 12)
    for _ in range(12):
        with pytest.raises(kind):
            await stage.one.send(await stage.queue())
    assert stage.second.sent == []
    assert stage.gauge() == 0.0


async def test_refused_account_is_let_be_at_once(stage: Stage) -> None:
    stage.first.fail_next(REFUSED)
    await stage.one.send(await stage.queue())
    assert await stage.one.send(await stage.queue()) == "second"
    assert stage.first.sent == []
    async with stage.bench.db.platform() as session:
        assert (await session.scalar(text("SELECT provider FROM provider_refusals"))) == "first", "somebody is told"


# --- the breaker ------------------------------------------------------------------------------------------------------


async def test_ten_failures_in_a_row_open_it_for_all_processes_and_one_probe_closes_it(stage: Stage) -> None:
    await stage.open()
    for process in (stage.one, stage.other):
        assert await process.send(await stage.queue()) == "second"
    assert (stage.first.sent, stage.gauge()) == ([], 1.0)
    stage.advance(6)
    assert [await each.send(await stage.queue()) for each in (stage.one, stage.other, stage.one)] == [
        "first",  # the probe, which closes it
        "first",
        "first",
    ]
    stage.advance(2)
    await stage.other.send(await stage.queue())
    assert stage.gauge() == 0.0


async def test_of_all_processes_one_probes_and_the_pause_grows_while_it_fails(stage: Stage) -> None:
    await stage.open()
    stage.advance(6)
    stage.first.fail_next(AWAY)
    assert await stage.one.send(await stage.queue()) == "second"
    assert await stage.attempts(await last(stage)) == [("first", "failed"), ("second", "sent")]
    stage.advance(6)
    await stage.other.send(await stage.queue())
    assert await stage.attempts(await last(stage)) == [("second", "sent")], "ten seconds now"
    stage.advance(5)
    assert await stage.other.send(await stage.queue()) == "first"


async def test_probe_whose_process_died_is_another_ones_after_its_call_must_be_over(stage: Stage) -> None:
    await probe_of_the_dead(stage, LONGEST_CALL)


async def test_probe_of_a_provider_that_takes_longer_is_another_ones_after_that(stage: Stage) -> None:
    stage.first.longest_call = 90.0
    await probe_of_the_dead(stage, 90.0)


async def probe_of_the_dead(stage: Stage, call: float) -> None:
    await stage.open()
    stage.advance(6)
    assert await stage.one.sender._health.wait("email", "first") == 0.0, "its turn, and nothing comes of it"
    stage.advance(2)
    assert await stage.other.send(await stage.queue()) == "second"
    stage.advance(call - 4)
    assert await stage.other.send(await stage.queue()) == "second"
    stage.advance(6)
    assert await stage.other.send(await stage.queue()) == "first"


async def test_probe_that_calls_nobody_is_given_back(stage: Stage) -> None:
    sent = await stage.queue()
    await stage.one.send(sent)
    await stage.open()
    stage.advance(6)
    assert await stage.one.send(sent) == "first", "it was sent long ago"
    assert await stage.other.send(await stage.queue()) == "first"


async def test_success_in_between_begins_the_row_anew(stage: Stage) -> None:
    for _ in range(3):
        stage.first.fail_next(*[AWAY] * 5)
        for _ in range(6):
            await stage.one.send(await stage.queue())
            stage.now.now += 4  # five of six within the minute are few
    assert stage.gauge() == 0.0


async def test_half_of_a_minutes_calls_open_it(stage: Stage) -> None:
    for number in range(24):
        if number % 2:
            stage.first.fail_next(AWAY)
        await stage.one.send(await stage.queue())
    stage.now.now += 2
    assert await stage.one.send(await stage.queue()) == "second"
    assert stage.gauge() == 1.0


async def test_without_a_second_provider_messages_wait_and_pay_no_attempt(stage: Stage) -> None:
    alone = Process(stage.bench, stage.now, stage.first)
    stage.first.fail_next(*[AWAY] * 10)
    for _ in range(10):
        await alone.waits(await stage.queue())
    message_id = await stage.queue()
    assert await alone.waits(message_id, last=True) == ("provider_failing", False)
    assert await stage.attempts(message_id) == []
    stage.advance(6)
    assert await alone.send(message_id) == "first"


async def test_no_message_is_lost_to_an_outage_without_a_second_provider(stage: Stage) -> None:
    """Fifteen at once, 503 for two hours: whoever probes waits as the others do, though it had one try left."""
    alone = Process(stage.bench, stage.now, stage.first)
    stage.first.fail_next(*[AWAY] * 10_000)
    waiting = [await stage.queue() for _ in range(15)]
    for message_id in waiting[:9]:
        assert await alone.waits(message_id) == ("connection", True), "the breaker is closed: its own, as far as known"
    assert await alone.waits(waiting[9], last=True) == ("provider_failing", False), "this one opens it"
    for number in range(120):
        stage.advance(61)
        probes = waiting[number % 15 :] + waiting[: number % 15]
        assert {await alone.waits(one, last=True) for one in probes[:2]} == {("provider_failing", False)}
    tried = [len(await stage.attempts(one)) for one in waiting]
    assert sum(tried) == 10 + 120, "one at a time, and each of its tries is told"
    stage.first._failures.clear()
    stage.advance(61)
    assert {await alone.send(one, last=True) for one in waiting} == {"first"}


async def test_a_message_whose_own_the_failure_is_waits_for_itself_once_others_are_taken(stage: Stage) -> None:
    alone = Process(stage.bench, stage.now, stage.first)
    stage.first.fail_next(*[AWAY] * 10)
    for _ in range(9):
        await alone.waits(await stage.queue())
    poisoned = await stage.queue()
    assert await alone.waits(poisoned, last=True) == ("provider_failing", False)
    stage.advance(6)
    await alone.send(await stage.queue())
    stage.first.fail_next(AWAY)
    assert await alone.waits(poisoned, last=True) == ("connection", False)
    await alone.send(await stage.queue())
    stage.advance(24 * 3600 + 1)
    with pytest.raises(PermanentError, match="expired"):
        await alone.send(poisoned, last=True)


async def test_what_an_outage_kept_for_longer_than_a_day_ends_as_expired(stage: Stage) -> None:
    alone = Process(stage.bench, stage.now, stage.first)
    stage.first.fail_next(*[AWAY] * 10)
    for _ in range(9):
        await alone.waits(await stage.queue())
    message_id = await stage.queue()
    await alone.waits(message_id)
    stage.advance(24 * 3600 + 1)
    with pytest.raises(PermanentError) as caught:
        await alone.send(message_id)
    assert caught.value.code == "expired"


@pytest.mark.parametrize(("state", "provider"), [("open", "second"), ("closed", "first")])
async def test_operators_force_it_either_way(stage: Stage, state: str, provider: str) -> None:
    if state == "closed":
        await stage.open()
    else:
        await stage.one.send(await stage.queue())
    await stage.force(state)
    stage.now.now += 2
    assert await stage.one.send(await stage.queue()) == provider
    stage.advance(3601)
    assert await stage.one.send(await stage.queue()) == "first", "an hour later it is judged by what it does"


async def test_table_that_somebody_locks_keeps_neither_messages_nor_outcomes_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_health, "_PATIENCE", 0.2)
    async with stage.bench.db.platform() as session:
        await session.execute(text("LOCK TABLE provider_health IN ACCESS EXCLUSIVE MODE"))
        taken, moved = await stage.queue(), await stage.queue()
        assert await stage.one.send(taken) == "first"
        stage.first.fail_next(AWAY)
        assert await stage.one.send(moved) == "second"
    assert await stage.attempts(taken) == [("first", "sent")]
    assert await stage.attempts(moved) == [("first", "failed"), ("second", "sent")]


@pytest.mark.parametrize("error", [None, AWAY])
async def test_outcome_is_written_before_anybody_is_told_of_the_provider(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: TransientError | None
) -> None:
    seen: list[list[tuple[str, str]]] = []
    message_id = await stage.queue()

    async def look(*_: object) -> None:
        seen.append(await stage.attempts(message_id))

    for name in ("passed", "note"):
        monkeypatch.setattr(stage.one.sender._health, name, look)
    if error is not None:
        stage.first.fail_next(error)
    await stage.one.send(message_id)
    assert seen[0] == [("first", "sent" if error is None else "failed")]


async def last(stage: Stage) -> UUID:
    """The message that was queued last."""
    async with stage.bench.db.platform() as session:
        found: UUID = await session.scalar(text("SELECT id FROM messages ORDER BY id DESC LIMIT 1"))
        return found
