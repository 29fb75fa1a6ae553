"""Messages that were perhaps sent: nobody repeats them in doubt, and the provider is asked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from comms_desk import CODE, SONG
from comms_queueing import EMAIL, ORGANIZATION, SEALER, SMS, all_rows, queued_for
from sqlalchemy import text

from singr_comms import (
    LooksUp,
    MemoryEmailProvider,
    PermanentSendError,
    SendReceipt,
    TransientError,
    UnknownOutcomeError,
)
from singr_comms.notifications import MessageSender, Resolution, message_sender, resolve_delivery, settle_messages
from singr_config import Settings
from singr_db import Database
from singr_dev.clock import VirtualClock
from singr_dev.simulators.mailjet import MailjetSimulator
from singr_dev.simulators.twilio import TwilioSimulator
from singr_jobs import PermanentError, RetryLater
from singr_observability import build_metrics

REQUESTS = {"email": EMAIL, "sms": SMS}


@pytest.fixture
async def sender(db: Database, settings: Settings) -> AsyncIterator[MessageSender]:
    """A sender by Mailjet and Twilio, as a worker builds it."""
    async with httpx.AsyncClient() as http:
        yield message_sender(settings, db=db, sealer=SEALER, http=http, metrics=build_metrics())


@pytest.fixture(params=REQUESTS)
def channel(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def simulator(channel: str, mailjet: MailjetSimulator, twilio: TwilioSimulator) -> Any:
    return {"email": mailjet, "sms": twilio}[channel]


async def put(db: Database, channel: str) -> UUID:
    (message_id,) = await queued_for(db, ORGANIZATION, [REQUESTS[channel]])  # type: ignore[list-item] # one of both
    return message_id


async def send(sender: MessageSender, channel: str, message_id: UUID) -> Any:
    return await sender.send(channel, message_id, organization_id=ORGANIZATION, is_last_attempt=True)


async def waits(sender: MessageSender, channel: str, message_id: UUID) -> tuple[str, bool]:
    """The code with which a try waits, and whether it counts."""
    with pytest.raises(RetryLater) as caught:
        await send(sender, channel, message_id)
    return caught.value.code, caught.value.counts


async def stands(db: Database, message_id: UUID) -> tuple[str, str | None, list[str]]:
    """Status and code of a message, and the statuses of its attempts."""
    query = text("SELECT status FROM message_attempts WHERE message_id = :id ORDER BY attempt")
    async with db.platform() as session:
        attempts = list(await session.scalars(query, {"id": message_id}))
    (row,) = await all_rows(db)
    return row.status, (row.error or {}).get("code"), attempts


@pytest.mark.parametrize("fault", ["accept_then_drop_next", "accept_then_fail_next"])
async def test_what_was_taken_without_a_word_is_found_and_not_sent_twice(
    clock: VirtualClock, db: Database, sender: MessageSender, channel: str, simulator: Any, fault: str
) -> None:
    getattr(simulator, fault)()
    message_id = await put(db, channel)
    assert await waits(sender, channel, message_id) == ("settling", False)
    clock.advance(minutes=5)
    assert await waits(sender, channel, message_id) == ("settling", False)
    clock.advance(minutes=5)
    delivered = await send(sender, channel, message_id)
    [taken] = simulator.received
    assert delivered.provider_message_id == taken.id
    assert await stands(db, message_id) == ("sent", None, ["sent"])


async def test_what_was_not_taken_is_sent_anew(
    clock: VirtualClock, db: Database, sender: MessageSender, channel: str, simulator: Any
) -> None:
    simulator.fail_next(status=500)
    message_id = await put(db, channel)
    assert await waits(sender, channel, message_id) == ("settling", False)
    clock.advance(minutes=10)
    assert await waits(sender, channel, message_id) == ("not_taken", False)
    await send(sender, channel, message_id)
    assert len(simulator.received) == 1
    assert await stands(db, message_id) == ("sent", None, ["failed", "sent"])


async def test_text_that_was_not_taken_is_not_taken_for_another_one_with_the_same_words(
    clock: VirtualClock, db: Database, sender: MessageSender, twilio: TwilioSimulator
) -> None:
    stranger = UUID("01920000-0000-7000-8000-00000000cafe")
    twilio.fail_next(status=500)
    lost = await put(db, "sms")
    assert await waits(sender, "sms", lost) == ("settling", False)
    (other,) = await queued_for(db, stranger, [SMS])
    await sender.send("sms", other, organization_id=stranger, is_last_attempt=True)
    clock.advance(minutes=10)
    with pytest.raises(PermanentError) as caught:
        await send(sender, "sms", lost)
    assert caught.value.code == "outcome_unknown"
    [taken] = twilio.received
    stand = {row.id: (row.status, row.provider_message_id) for row in await all_rows(db)}
    assert stand == {lost: ("unknown", None), other: ("sent", taken.id)}


async def test_who_cannot_be_asked_is_asked_for_an_hour_and_then_people_are(
    clock: VirtualClock, db: Database, sender: MessageSender, channel: str, simulator: Any
) -> None:
    simulator.accept_then_fail_next()
    message_id = await put(db, channel)
    await waits(sender, channel, message_id)
    simulator.fail_look_ups(times=2)
    clock.advance(minutes=69)
    assert await waits(sender, channel, message_id) == ("look_up_failed", False)
    clock.advance(minutes=1)
    with pytest.raises(PermanentError) as caught:
        await send(sender, channel, message_id)
    assert caught.value.code == "outcome_unknown"
    assert await stands(db, message_id) == ("unknown", "outcome_unknown", ["unknown"])
    assert len(simulator.received) == 1


async def test_word_that_comes_meanwhile_is_the_end(
    clock: VirtualClock, db: Database, sender: MessageSender, channel: str, simulator: Any
) -> None:
    simulator.accept_then_drop_next()
    message_id = await put(db, channel)
    await waits(sender, channel, message_id)
    async with db.platform() as session:
        await session.execute(text("UPDATE messages SET status = 'delivered'"))
    clock.advance(minutes=10)
    await send(sender, channel, message_id)
    assert (await stands(db, message_id))[0] == "delivered"
    assert len(simulator.received) == 1


# --- answers that no simulator gives ----------------------------------------------------------------------------------


class Asked(MemoryEmailProvider):
    """Loses the answer of its first call, and answers questions as it is told."""

    def __init__(self, answer: SendReceipt | Exception | None) -> None:
        super().__init__()
        self.answer = answer
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.fail_next(UnknownOutcomeError("timeout", "no answer"))

    async def look_up(self, _envelope: object, _began_at: float, /) -> SendReceipt | None:
        if self.meanwhile is not None:
            await self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "kind", "code", "status"),
    [
        (PermanentSendError("mailbox_full", "no"), PermanentError, "mailbox_full", "failed"),
        (UnknownOutcomeError("too_late", "it forgets"), PermanentError, "outcome_unknown", "unknown"),
        (TransientError("busy", "later", retry_after=300.0), RetryLater, "look_up_failed", "unknown"),
        (KeyError("Messages"), RetryLater, "look_up_failed", "unknown"),
    ],
)
async def test_each_answer_has_one_end(
    clock: VirtualClock, bench: Any, answer: Exception, kind: type[Exception], code: str, status: str
) -> None:
    bench.email = Asked(answer)
    assert isinstance(bench.email, LooksUp)
    message_id, sender = await bench.queue(SONG), bench.sender()
    with pytest.raises(RetryLater):
        await send(sender, "email", message_id)
    clock.advance(minutes=10)
    with pytest.raises(kind) as caught:
        await send(sender, "email", message_id)
    assert caught.value.code == code  # type: ignore[attr-defined] # both have one
    assert (await stands(bench.db, message_id))[0] == status
    if isinstance(answer, TransientError):
        assert caught.value.after == 300.0  # type: ignore[attr-defined] # as it asked


async def test_message_that_its_provider_never_takes_ends_after_a_day(clock: VirtualClock, bench: Any) -> None:
    bench.email = Asked(None)
    message_id, sender, came = await bench.queue(SONG), bench.sender(), []
    for _ in range(4):
        came.append(await waits(sender, "email", message_id))
        clock.advance(hours=8)
        with pytest.raises((RetryLater, PermanentError)) as caught:
            await send(sender, "email", message_id)
        came.append(caught.value.code)  # type: ignore[attr-defined] # both have one
        bench.email.fail_next(UnknownOutcomeError("http_500", "no"))
    assert came == [("settling", False), "not_taken"] * 3 + [("settling", False), "expired"]
    row = await bench.row(message_id)
    assert (row.status, row.error["message"]) == (
        "failed",
        "it waited until it was no longer of use: memory did not take it",
    )


# --- what comes after an attempt in doubt makes nothing certain -------------------------------------------------------

BUSY = TransientError("http_503", "later")
LOST = UnknownOutcomeError("http_500", "?")


async def in_doubt_and_queued(bench: Any) -> UUID:
    """A message whose first attempt may have sent it, at a provider that drops copies, and whose second one failed."""
    bench.email = type(bench.email)(takes_idempotency_key=True)
    bench.email.fail_next(LOST, BUSY)
    message_id: UUID = await bench.queue(SONG)
    for _ in range(2):
        with pytest.raises(RetryLater):
            await bench.send(message_id)
    assert await bench.story(message_id) == ("queued", ["unknown", "failed"])
    return message_id


async def test_another_provider_never_gets_it_though_the_first_is_gone_from_the_settings(
    clock: VirtualClock, bench: Any
) -> None:
    message_id = await in_doubt_and_queued(bench)
    bench.email = Another()
    with pytest.raises(RetryLater) as waits_for:
        await bench.send(message_id)
    assert waits_for.value.code == "settling"
    clock.advance(minutes=10)
    with pytest.raises(PermanentError) as caught:
        await bench.send(message_id)
    assert (caught.value.code, bench.email.sent) == ("outcome_unknown", [])


async def test_last_failure_leaves_it_in_doubt(clock: VirtualClock, bench: Any) -> None:
    message_id = await in_doubt_and_queued(bench)
    clock.advance(minutes=70)
    bench.email.fail_next(BUSY)
    with pytest.raises(PermanentError) as caught:
        await bench.send(message_id, last=True)
    row = await bench.row(message_id)
    assert (caught.value.code, row.status, row.error["code"]) == ("outcome_unknown", "unknown", "outcome_unknown")


async def test_copy_is_dropped_for_a_day_from_the_attempt_in_doubt_and_not_from_the_last(
    clock: VirtualClock, bench: Any
) -> None:
    message_id = await in_doubt_and_queued(bench)
    clock.advance(hours=22)
    bench.email.fail_next(BUSY)
    with pytest.raises(RetryLater):
        await bench.send(message_id)
    clock.advance(hours=2)
    with pytest.raises(PermanentError) as caught:
        await bench.send(message_id)
    assert (caught.value.code, bench.email.sent) == ("outcome_unknown", [])


@pytest.mark.parametrize(("outcome", "status"), [("sent", "sent"), ("send_again", "queued")])
@pytest.mark.parametrize("answer", [UnknownOutcomeError("too_late", "?"), PermanentSendError("mailbox_full", "no")])
async def test_word_of_somebody_stands_though_the_provider_is_being_asked(
    clock: VirtualClock, bench: Any, outcome: Resolution, status: str, answer: Exception
) -> None:
    bench.email = Asked(answer)
    message_id, sender = await bench.queue(SONG), bench.sender()
    with pytest.raises(RetryLater):
        await send(sender, "email", message_id)
    clock.advance(minutes=10)

    async def say() -> None:
        async with bench.db.platform() as session:
            await resolve_delivery(session, message_id, organization_id=ORGANIZATION, outcome=outcome)

    bench.email.meanwhile = say
    with pytest.raises(RetryLater) as caught:
        await send(sender, "email", message_id)
    assert (caught.value.code, caught.value.counts) == ("resolved", False)
    assert (await bench.row(message_id)).status == status
    assert await send(sender, "email", message_id)


@pytest.mark.parametrize("message", [SONG, CODE])
async def test_what_is_in_doubt_when_its_job_is_cancelled_is_left_to_people_and_codes_are_erased(
    clock: VirtualClock, bench: Any, message: Any
) -> None:
    bench.email.fail_next(LOST)
    message_id = await bench.queue(message)
    with pytest.raises(RetryLater):
        await bench.send(message_id)
    async with bench.db.platform() as session:
        await session.execute(text("UPDATE jobs SET status = 'cancelled', finished_at = now()"))
    clock.advance(minutes=1)
    await settle_messages(bench.db)
    row = await bench.row(message_id)
    assert (row.status, row.error["code"]) == ("unknown", "outcome_unknown")
    assert (bytes(row.content_sealed) == b"") == (message is CODE)


async def test_queued_message_with_an_attempt_in_doubt_is_not_called_suppressed(
    clock: VirtualClock, bench: Any
) -> None:
    message_id = await in_doubt_and_queued(bench)
    async with bench.db.platform() as session:
        await session.execute(text("UPDATE jobs SET status = 'cancelled', finished_at = now()"))
    clock.advance(minutes=1)
    await settle_messages(bench.db)
    row = await bench.row(message_id)
    assert (row.status, row.error["code"]) == ("unknown", "outcome_unknown")


class Another(MemoryEmailProvider):
    """A provider of another name."""

    @property
    def name(self) -> str:
        return "another"
