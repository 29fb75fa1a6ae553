"""Messages that were perhaps sent: nobody repeats them in doubt, and the provider is asked."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from comms_desk import SONG
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
from singr_comms.notifications import MessageSender, message_sender
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
        self.fail_next(UnknownOutcomeError("timeout", "no answer"))

    async def look_up(self, _envelope: object, _began_at: float, /) -> SendReceipt | None:
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
