"""The last attempt of a job ends no message in doubt whose provider can be asked, or given it again."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from comms_benches import SENDER
from comms_desk import CODE, NOTICE, ORGANIZATION, SONG, Clock
from sqlalchemy import text

from singr_comms import (
    EmailMessage,
    MailjetProvider,
    MemoryEmailProvider,
    MemorySmsProvider,
    ResendProvider,
    UnknownOutcomeError,
)
from singr_comms.notifications import MessageSender, settle_messages
from singr_config import Secret
from singr_dev.clock import VirtualClock
from singr_dev.simulators import MailjetSimulator, ResendSimulator
from singr_jobs import PermanentError, RetryLater

BODIES = ["<html>Sign in</html>", "", '{"ok":true}']
LOST = UnknownOutcomeError("timeout", "no answer")
READER = "jane@example.org"


class Line:
    """One sender before one provider, and a clock for both and the database."""

    def __init__(self, bench: Any, clock: VirtualClock, provider: Any) -> None:
        self.bench, self.clock, self.now = bench, clock, Clock()
        others = {"sms": MemorySmsProvider(), "push": bench.push, "limits": bench.limits, "metrics": bench.metrics}
        self.sender = MessageSender(bench.db, bench.sealer, email=provider, in_flight=0.0, **others)
        self.sender._health._clock = self.sender._holds._clock = self.now

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        self.now.now += seconds

    async def queue(self, message: EmailMessage = SONG, to: str = READER) -> UUID:
        message_id: UUID = await self.bench.queue(message, to=to)
        return message_id

    async def send(self, message_id: UUID) -> None:
        await self.sender.send("email", message_id, organization_id=ORGANIZATION, is_last_attempt=True)

    async def waits(self, message_id: UUID, *, last: bool = True) -> tuple[str, bool, float]:
        """The code with which a try waits, whether it counts, and for how long."""
        with pytest.raises(RetryLater) as caught:
            await self.sender.send("email", message_id, organization_id=ORGANIZATION, is_last_attempt=last)
        return caught.value.code, caught.value.counts, caught.value.after

    async def ends(self, message_id: UUID) -> None:
        """A try leaves it to people."""
        with pytest.raises(PermanentError) as caught:
            await self.send(message_id)
        assert caught.value.code == "outcome_unknown"
        row = await self.bench.row(message_id)
        assert (row.status, row.error["code"]) == ("unknown", "outcome_unknown")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def resend(running: Callable[..., Any]) -> ResendSimulator:
    found: ResendSimulator = running(ResendSimulator)
    return found


@pytest.fixture
def by_resend(bench: Any, clock: VirtualClock, resend: ResendSimulator, http: httpx.AsyncClient) -> Line:
    key = Secret(resend.api_key)
    return Line(bench, clock, ResendProvider(http, api_key=key, sender=SENDER, base_url=resend.base_url))


@pytest.fixture
def by_mailjet(bench: Any, clock: VirtualClock, mailjet: MailjetSimulator, http: httpx.AsyncClient) -> Line:
    keys = {"api_key": Secret(mailjet.api_key), "secret_key": Secret(mailjet.secret_key)}
    return Line(bench, clock, MailjetProvider(http, **keys, sender=SENDER, base_url=mailjet.base_url))


def of(lines: list[str], message_id: UUID) -> list[str]:
    """The errors that the log has of a message."""
    return [line for line in lines if str(message_id) in line and "| ERROR" in line]


# --- a provider that drops copies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", BODIES)
async def test_answers_of_something_else_in_the_providers_place_cost_one_attempt_and_no_message(
    by_resend: Line, resend: ResendSimulator, body: str
) -> None:
    resend.intercept_next(body, times=100)
    first, *others = [await by_resend.queue() for _ in range(3)]
    assert (await by_resend.waits(first, last=False))[:2] == ("unreadable_answer", True)
    for _ in range(5):  # seconds
        by_resend.advance(1)
        assert {(await by_resend.waits(one))[:2] for one in (first, *others)} == {("provider_failing", False)}
    assert resend.requests <= 2, "but for one probe, nobody is sent after the first"
    resend.faults.clear()
    by_resend.advance(61)
    for message_id in (first, *others):
        await by_resend.send(message_id)
    assert len(resend.received) == 3


async def test_no_message_ends_while_something_else_answers_in_the_providers_place(
    by_resend: Line, resend: ResendSimulator, lines: list[str]
) -> None:
    resend.intercept_next(times=10_000)
    messages = [await by_resend.queue() for _ in range(3)]
    for _ in range(30):  # half an hour
        assert {(await by_resend.waits(one))[1] for one in messages} == {False}
        by_resend.advance(61)
    resend.faults.clear()
    for message_id in messages:
        await by_resend.send(message_id)
    assert len(resend.received) == 3
    assert not [line for line in lines if "may have been sent" in line]


@pytest.mark.parametrize("message", [SONG, CODE, NOTICE])
async def test_last_lost_answer_is_asked_for_again_under_the_same_key(
    by_resend: Line, resend: ResendSimulator, message: EmailMessage
) -> None:
    resend.accept_then_drop_next(times=3)
    message_id = await by_resend.queue(message)
    for _ in range(2):
        assert (await by_resend.waits(message_id, last=False))[:2] == ("connection", True)
    code, counts, after = await by_resend.waits(message_id)
    assert (code, counts) == ("settling", False)
    assert after == 60.0
    by_resend.advance(60)
    await by_resend.send(message_id)
    [taken] = resend.received
    row = await by_resend.bench.row(message_id)
    assert (row.status, row.provider_message_id) == ("sent", taken.id)


async def test_message_that_alone_gets_no_answer_ends_after_seventy_minutes_and_the_log_names_it(
    by_resend: Line, resend: ResendSimulator, lines: list[str]
) -> None:
    message_id, passed = await by_resend.queue(), 0.0
    while passed < 4200:
        resend.fail_next(500)
        code, counts, after = await by_resend.waits(message_id)
        assert (code, counts, of(lines, message_id)) == ("settling", False, [])
        assert 60 <= after <= 600
        await by_resend.send(await by_resend.queue(to=f"reader{passed}@example.org"))  # the provider works
        by_resend.advance(after)
        passed += after
    resend.fail_next(500)
    await by_resend.ends(message_id)
    [line] = of(lines, message_id)
    assert "may have been sent" in line
    assert READER not in line
    assert len(await by_resend.bench.attempts(message_id)) <= 12


async def test_code_in_doubt_ends_when_it_is_of_no_more_use_and_is_erased(
    by_resend: Line, resend: ResendSimulator
) -> None:
    resend.fail_next(500)
    message_id = await by_resend.queue(CODE)
    await by_resend.waits(message_id)
    by_resend.advance(6 * 60)
    with pytest.raises(PermanentError) as caught:
        await by_resend.send(message_id)
    row = await by_resend.bench.row(message_id)
    assert (caught.value.code, row.status, bytes(row.content_sealed), resend.received) == (
        "expired",
        "unknown",
        b"",
        [],
    )


async def test_key_that_came_with_other_words_ends_at_once_and_says_nothing_of_the_provider(bench: Any) -> None:
    bench.email = type(bench.email)(takes_idempotency_key=True)
    bench.email.fail_next(UnknownOutcomeError("conflict", "other words", about_message=True))
    with pytest.raises(PermanentError) as caught:
        await bench.send(await bench.queue(SONG))
    assert caught.value.code == "outcome_unknown"
    async with bench.db.platform() as session:
        failures = await session.scalar(text("SELECT sum(failures) FROM provider_health WHERE channel = 'email'"))
    assert failures == 0


# --- one that does not ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", BODIES)
async def test_what_must_not_repeat_is_asked_about_and_others_are_not_put_in_doubt(
    by_mailjet: Line, mailjet: MailjetSimulator, body: str
) -> None:
    mailjet.intercept_next(body, times=100)
    first, other = await by_mailjet.queue(), await by_mailjet.queue()
    assert (await by_mailjet.waits(first))[:2] == ("settling", False)
    assert (await by_mailjet.waits(other))[:2] == ("provider_failing", False)
    assert (await by_mailjet.bench.row(other)).status == "queued"
    mailjet.faults.clear()
    by_mailjet.advance(600)
    assert (await by_mailjet.waits(first))[:2] == ("not_taken", False)
    for message_id in (first, other):
        await by_mailjet.send(message_id)
    assert len(mailjet.received) == 2


async def test_notice_whose_last_answer_was_lost_is_asked_about_and_not_repeated_once_more(
    by_mailjet: Line, mailjet: MailjetSimulator, lines: list[str]
) -> None:
    mailjet.fail_next(500, times=2)
    message_id = await by_mailjet.queue(NOTICE)
    for _ in range(2):
        await by_mailjet.waits(message_id, last=False)
    mailjet.accept_then_drop_next()
    assert (await by_mailjet.waits(message_id))[:2] == ("settling", False)
    by_mailjet.advance(300)
    assert (await by_mailjet.waits(message_id))[:2] == ("settling", False)
    assert len(mailjet.received) == 1
    by_mailjet.advance(300)
    await by_mailjet.send(message_id)
    assert (await by_mailjet.bench.row(message_id)).status == "sent"
    assert (len(mailjet.received), of(lines, message_id)) == (1, [])


async def test_notice_that_was_never_taken_is_sent_in_the_end(by_mailjet: Line, mailjet: MailjetSimulator) -> None:
    mailjet.fail_next(500, times=3)
    message_id = await by_mailjet.queue(NOTICE)
    for last in (False, False, True):
        await by_mailjet.waits(message_id, last=last)
    by_mailjet.advance(600)
    assert (await by_mailjet.waits(message_id))[:2] == ("not_taken", False)
    await by_mailjet.send(message_id)
    assert len(mailjet.received) == 1


@pytest.mark.parametrize("message", [CODE, NOTICE])
async def test_where_nobody_can_be_asked_the_last_lost_answer_is_the_end_and_the_log_names_it(
    bench: Any, clock: VirtualClock, lines: list[str], message: EmailMessage
) -> None:
    provider = MemoryEmailProvider()
    provider.fail_next(LOST)
    line = Line(bench, clock, provider)
    message_id = await line.queue(message)
    await line.ends(message_id)
    assert len(of(lines, message_id)) == 1


async def test_log_names_what_is_in_doubt_when_its_job_ends_without_it(
    bench: Any, clock: VirtualClock, lines: list[str]
) -> None:
    bench.email.fail_next(LOST)
    message_id = await bench.queue(SONG)
    with pytest.raises(RetryLater):
        await bench.send(message_id)
    async with bench.db.platform() as session:
        await session.execute(text("UPDATE jobs SET status = 'cancelled', finished_at = now()"))
    clock.advance(minutes=1)
    for _ in range(2):
        await settle_messages(bench.db)
    assert len(of(lines, message_id)) == 1
