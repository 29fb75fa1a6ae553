"""A provider that refuses our account: its messages are kept, and sent once it accepts it again."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from loguru import logger
from sqlalchemy import text

from singr_comms import (
    AccountRefusedError,
    PermanentSendError,
    SecurityNotice,
    SongRequest,
    TooManyRequestsError,
    TransientError,
    TwoFactorCode,
    UnknownOutcomeError,
)
from singr_comms.notifications import MessageSender, SettleCursor, settle_messages
from singr_comms.notifications.sending import _sender
from singr_comms.notifications.sending._policy import Known, Step, next_step
from singr_db import Database, is_outage
from singr_jobs import PermanentError, RetryLater

LINK = "https://singr.example/r"
SONG = SongRequest(venue_name="Café", artist="Ada", title="Song", link=LINK)
CODE = TwoFactorCode(user_name="Ada", code="735104", expiry_minutes=5)
NOTICE = SecurityNotice(user_name="Ada", event="new_device", occurred_at="today", link=LINK)
ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")
REFUSED = AccountRefusedError("smtp_535", "the mail server answered 535")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """One sender as a worker keeps it, on a clock that tests move."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.clock = Clock()
        self.sender: MessageSender = bench.sender()
        self.sender._holds._clock = self.clock

    async def send(self, message_id: UUID, *, last: bool = False) -> Any:
        return await self.sender.send_email(message_id, organization_id=ORGANIZATION, is_last_attempt=last)

    async def held(self, message_id: UUID, *, last: bool = False) -> RetryLater:
        with pytest.raises(RetryLater) as caught:
            await self.send(message_id, last=last)
        return caught.value

    def gauge(self) -> float:
        return float(self.bench.metrics.provider_refused.labels("email", "memory").value)

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.bench.db.platform() as session:
            result = await session.execute(text(statement), values)
            return list(result.all()) if result.returns_rows else []

    async def refusals(self) -> list[tuple[str, str, str]]:
        return [tuple(row) for row in await self.sql("SELECT channel, provider, code FROM provider_refusals")]


@pytest.fixture
def desk(bench: Any) -> Desk:
    return Desk(bench)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    said: list[str] = []
    sink = logger.add(lambda line: said.append(str(line)), level="INFO")
    yield said
    logger.remove(sink)


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
async def test_code_whose_life_is_over_is_never_sent(desk: Desk, tries: int) -> None:
    message_id = await desk.bench.queue(CODE)
    for _ in range(tries):
        desk.bench.email.fail_next(TransientError("http_503", "busy"))
        await desk.held(message_id)
    await desk.sql("UPDATE messages SET created_at = now() - interval '6 minutes' WHERE id = :id", id=message_id)
    with pytest.raises(PermanentError) as caught:
        await desk.send(message_id)
    assert caught.value.code == "expired"
    assert desk.bench.email.sent == []
    row = await desk.bench.row(message_id)
    assert (row.status, row.error["code"], bytes(row.content_sealed)) == ("failed", "expired", b"")


async def test_code_whose_outcome_is_unknown_stays_unknown_when_its_life_is_over(desk: Desk) -> None:
    message_id = await desk.bench.queue(CODE)
    desk.bench.email.fail_next(UnknownOutcomeError("timeout", "?"))
    await desk.held(message_id)
    await desk.sql("UPDATE messages SET created_at = now() - interval '6 minutes' WHERE id = :id", id=message_id)
    with pytest.raises(PermanentError):
        await desk.send(message_id)
    assert (await desk.bench.row(message_id)).status == "unknown"
    assert desk.bench.email.sent == []


async def test_message_that_was_held_for_a_day_is_not_sent_late(desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(REFUSED)
    await desk.held(message_id)
    await desk.sql("UPDATE messages SET held_since = now() - interval '25 hours' WHERE id = :id", id=message_id)
    desk.clock.now += 60
    with pytest.raises(PermanentError):
        await desk.send(message_id)
    assert desk.bench.email.sent == []


async def test_old_message_without_a_life_of_its_own_is_sent(desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    await desk.sql("UPDATE messages SET created_at = now() - interval '9 days' WHERE id = :id", id=message_id)
    await desk.send(message_id)
    assert len(desk.bench.email.sent) == 1


async def test_code_ends_with_its_own_life(desk: Desk) -> None:
    message_id = await desk.bench.queue(CODE)
    await desk.sql("UPDATE messages SET created_at = now() - interval '6 minutes' WHERE id = :id", id=message_id)
    desk.bench.email.fail_next(REFUSED)
    with pytest.raises(PermanentError) as caught:
        await desk.send(message_id)
    assert caught.value.code == "expired"
    row = await desk.bench.row(message_id)
    assert (row.status, bytes(row.content_sealed)) == ("failed", b"")


async def test_other_message_ends_a_day_after_it_was_first_held(desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    await desk.sql("UPDATE messages SET created_at = now() - interval '9 days' WHERE id = :id", id=message_id)
    desk.bench.email.fail_next(REFUSED)
    await desk.held(message_id)
    await desk.sql("UPDATE messages SET held_since = now() - interval '25 hours' WHERE id = :id", id=message_id)
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


def untold(words: str = "the mail server answered 550: no") -> PermanentSendError:
    return PermanentSendError("smtp_550", words, doubtful=True)


async def several(desk: Desk, count: int) -> list[UUID]:
    return [await desk.bench.queue(SONG, to=f"person{number}@example.org") for number in range(count)]


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
    monkeypatch.setattr(_sender, "_PATIENCE", 0.2)
    async with desk.bench.db.platform() as session:
        await session.execute(text("SELECT 1 FROM messages WHERE id = :id FOR UPDATE"), {"id": message_id})
        with pytest.raises(TimeoutError) as caught:
            await desk.send(message_id)
    assert is_outage(caught.value)
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
        patched.setattr(_sender, "_PATIENCE", 0.0)
        with pytest.raises(TimeoutError):
            await desk.send(first)
    desk.clock.now += 2
    await desk.send(second)
    assert desk.gauge() == 0


# --- an account that is open to some recipients ----------------------------------------------------------------------

CLOSED_TO_THIS_ONE = AccountRefusedError("twilio_21608", "unverified", only_some=True)


async def test_account_that_is_open_to_others_holds_this_message_and_no_other(desk: Desk) -> None:
    unverified, verified = await several(desk, 2)
    desk.bench.email.fail_next(CLOSED_TO_THIS_ONE)
    assert (await desk.held(unverified, last=True)).counts is False
    await desk.send(verified)
    desk.bench.email.fail_next(CLOSED_TO_THIS_ONE)
    assert (await desk.held(unverified, last=True)).counts is False
    assert ("email", "memory", "twilio_21608") in await desk.refusals()
    await desk.send(unverified)
    assert (len(desk.bench.email.sent), desk.gauge()) == (2, 0)


async def test_account_that_is_open_to_others_is_asked_less_and_less_often(desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(*[CLOSED_TO_THIS_ONE] * 8)
    waits = [(await desk.held(message_id)).after for _ in range(8)]
    assert waits == [30, 60, 120, 240, 480, 480, 480, 480]


async def test_account_that_is_open_to_others_is_waited_for_as_long_as_a_code_is_good(desk: Desk) -> None:
    message_id = await desk.bench.queue(CODE)
    await desk.sql(
        "UPDATE messages SET created_at = now() - interval '4 minutes 50 seconds' WHERE id = :id", id=message_id
    )
    desk.bench.email.fail_next(CLOSED_TO_THIS_ONE)
    assert (await desk.held(message_id)).after <= 10


# --- every message ends, and its code with it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermanentSendError("smtp_550", "no"), "failed"),
        (TransientError("smtp_451", "later"), "failed"),
        (UnknownOutcomeError("timeout", "?"), "unknown"),
    ],
)
async def test_words_of_a_code_are_erased_when_it_ends_unsent(desk: Desk, error: Exception, status: str) -> None:
    message_id = await desk.bench.queue(CODE)
    desk.bench.email.fail_next(error)
    with pytest.raises((PermanentError, RetryLater)):
        await desk.send(message_id, last=True)
    row = await desk.bench.row(message_id)
    assert (row.status, bytes(row.content_sealed)) == (status, b"")


async def test_words_of_a_code_stay_while_another_try_follows(desk: Desk) -> None:
    message_id = await desk.bench.queue(CODE)
    desk.bench.email.fail_next(UnknownOutcomeError("timeout", "?"))
    await desk.held(message_id)
    await desk.send(message_id)
    assert desk.bench.email.sent[0].message == CODE


async def test_words_of_a_suppressed_code_are_erased(desk: Desk) -> None:
    user = UUID("01920000-0000-7000-8000-0000000000ff")
    messages = [await desk.bench.queue(CODE, user_id=user) for _ in range(desk.bench.limits.email_per_hour + 1)]
    for message_id in messages[:-1]:
        await desk.send(message_id)
    with pytest.raises(PermanentError):
        await desk.send(messages[-1])
    row = await desk.bench.row(messages[-1])
    assert (row.status, bytes(row.content_sealed)) == ("suppressed", b"")


@pytest.mark.parametrize(
    ("job", "status"), [("failed", "failed"), ("cancelled", "suppressed"), ("completed", "failed")]
)
async def test_message_of_any_age_ends_with_its_job(desk: Desk, job: str, status: str) -> None:
    message_id = await desk.bench.queue(CODE)
    old = "created_at = now() - interval '30 days', updated_at = now() - interval '30 days'"
    await desk.sql(f"UPDATE messages SET {old} WHERE id = :id", id=message_id)
    await desk.sql(f"UPDATE jobs SET status = '{job}', finished_at = now() - interval '1 hour'")
    await settle_messages(desk.bench.db)
    row = await desk.bench.row(message_id)
    assert (row.status, bytes(row.content_sealed)) == (status, b"")


@pytest.mark.parametrize("job", ["failed", "cancelled"])
async def test_message_that_nobody_sends_any_more_ends_within_seconds(desk: Desk, job: str) -> None:
    message_id = await desk.bench.queue(CODE)
    ended = 'finished_at = now() - interval \'3 seconds\', error = \'{"code": "outage", "message": "m"}\''
    await desk.sql("UPDATE messages SET updated_at = now() - interval '1 minute' WHERE id = :id", id=message_id)
    await desk.sql(f"UPDATE jobs SET status = '{job}', {ended}")
    await settle_messages(desk.bench.db)
    row = await desk.bench.row(message_id)
    told = {"failed": ("failed", "outage"), "cancelled": ("suppressed", "cancelled")}
    assert ((row.status, row.error["code"]), bytes(row.content_sealed)) == (told[job], b"")


async def test_message_whose_job_is_gone_ends(desk: Desk) -> None:
    message_id = await desk.bench.queue(NOTICE)
    await desk.sql("UPDATE messages SET updated_at = now() - interval '2 hours'")
    await desk.sql("DELETE FROM jobs")
    await settle_messages(desk.bench.db)
    row = await desk.bench.row(message_id)
    assert (row.status, row.error["code"]) == ("failed", "job_gone")


async def test_message_that_waits_for_its_job_is_left_alone(desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    await desk.sql("UPDATE messages SET updated_at = now() - interval '30 days'")
    await settle_messages(desk.bench.db)
    assert (await desk.bench.row(message_id)).status == "queued"


async def test_messages_are_looked_through_piece_by_piece(desk: Desk) -> None:
    for _ in range(5):
        await desk.bench.queue(SONG)
    await desk.sql("UPDATE messages SET updated_at = now() - interval '1 day'")
    await desk.sql("UPDATE jobs SET status = 'failed', finished_at = now() - interval '1 hour'")
    cursor = SettleCursor()
    counts = [(await settle_messages(desk.bench.db, limit=2, cursor=cursor)).failed for _ in range(3)]
    assert counts == [2, 2, 1]


async def test_messages_that_have_not_ended_are_found_by_their_index(db: Database) -> None:
    unsettled = "status IN ('queued', 'dispatched') AND updated_at < now()"
    query = f"SELECT id FROM messages WHERE {unsettled} ORDER BY updated_at, id"
    async with db.platform() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join((await session.scalars(text(f"EXPLAIN {query} LIMIT 10"))).all())
    assert "updated_at_id_idx" in plan or "messages_unsettled" in plan, plan


# --- what one provider perhaps sent, no other one knows of -----------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "called", "step"),
    [("song_request", "a", Step.FLAG), ("song_request", "b", Step.SEND), ("two_factor_code", "a", Step.SEND)],
)
def test_copy_is_dropped_only_by_the_provider_that_was_called(kind: str, called: str, step: Step) -> None:
    known = Known(kind=kind, status="unknown", age=60.0, provider=called)
    decided = next_step(known, provider="b", takes_idempotency_key=True, in_flight=0.0, is_last_attempt=False)
    assert decided is step
