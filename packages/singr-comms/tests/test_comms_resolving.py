"""What somebody says of a message in doubt is the end of all doubt about it, and what is to be sent again is sent."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from comms_desk import SONG, Desk
from comms_stage import Named
from sqlalchemy import text

from singr_comms import AccountRefusedError, TransientError, UnknownOutcomeError
from singr_comms.notifications import Deliveries, Resolution, WordsGoneError, resolve_delivery
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, RetryLater

LOST = UnknownOutcomeError("timeout", "no answer")
BUSY = TransientError("http_503", "busy")


async def resolve(bench: Any, message_id: UUID, outcome: Resolution = "send_again") -> None:
    async with bench.db.platform() as session:
        await resolve_delivery(session, message_id, organization_id=bench.organization, outcome=outcome)


async def in_doubt(bench: Any, *answers: Exception) -> UUID:
    """A message that a provider which drops copies answered so, and about which people are to find out."""
    bench.email = type(bench.email)(takes_idempotency_key=True)
    bench.email.fail_next(*answers)
    message_id: UUID = await bench.queue(SONG)
    for _ in answers:
        with pytest.raises(RetryLater):
            await bench.send(message_id)
    async with bench.db.platform() as session:
        found = await Deliveries(bench.sealer).read(session, message_id)
    assert found is not None
    assert any(one.in_doubt for one in found.attempts)
    return message_id


async def ends(bench: Any, message_id: UUID, code: str = "outcome_unknown") -> None:
    with pytest.raises(PermanentError) as caught:
        await bench.send(message_id, last=True)
    assert (caught.value.code, (await bench.row(message_id)).status) == (code, "unknown")


@pytest.mark.parametrize("answers", [(LOST, BUSY), (LOST, LOST), (LOST, BUSY, LOST)], ids=lambda one: str(len(one)))
async def test_what_is_to_be_sent_again_is_sent_a_day_later_whatever_its_attempts_met(
    clock: VirtualClock, bench: Any, answers: tuple[Exception, ...]
) -> None:
    message_id = await in_doubt(bench, *answers)
    clock.advance(hours=24)
    await ends(bench, message_id)
    await resolve(bench, message_id)
    await bench.send(message_id, last=True)
    assert await bench.story(message_id) == ("sent", ["failed"] * len(answers) + ["sent"])
    assert len(bench.email.sent) == 1


async def test_what_is_to_be_sent_again_is_sent_by_another_provider_once_its_own_is_gone(
    clock: VirtualClock, bench: Any
) -> None:
    message_id = await in_doubt(bench, LOST, LOST)
    bench.email = Named("another")
    clock.advance(minutes=10)
    await ends(bench, message_id)
    await resolve(bench, message_id)
    await bench.send(message_id, last=True)
    assert len(bench.email.sent) == 1


async def test_what_is_to_be_sent_again_has_its_time_anew_though_it_was_held_days_ago(
    clock: VirtualClock, desk: Desk
) -> None:
    message_id = await desk.bench.queue(SONG)
    desk.bench.email.fail_next(AccountRefusedError("smtp_535", "no"), LOST)
    assert (await desk.held(message_id)).code == "provider_refused"
    desk.clock.now += 60
    assert (await desk.held(message_id)).code == "settling"
    clock.advance(days=3)
    desk.clock.now += 60
    with pytest.raises(PermanentError, match="outcome_unknown"):
        await desk.send(message_id, last=True)
    await resolve(desk.bench, message_id)
    desk.clock.now += 60
    await desk.send(message_id, last=True)
    assert await desk.bench.story(message_id) == ("sent", ["failed", "failed", "sent"])


async def test_what_is_to_be_sent_again_is_sent_though_its_process_died_and_its_provider_was_held_until_it_expired(
    clock: VirtualClock, desk: Desk
) -> None:
    message_id, other = await desk.bench.queue(SONG), await desk.bench.queue(SONG)
    sender = desk.bench.sender()
    await desk.sql(
        "INSERT INTO message_attempts (message_id, attempt, organization_id, provider, status, idempotency_token)"
        " VALUES (:id, 1, :organization, 'memory', 'dispatched', 't')",
        id=message_id,
        organization=desk.bench.organization,
    )
    await desk.sql(
        "UPDATE messages SET status = 'dispatched', attempts = 1, provider = 'memory' WHERE id = :id", id=message_id
    )
    desk.bench.email.fail_next(AccountRefusedError("smtp_535", "no"))
    await desk.held(other)
    await desk.held(message_id)
    clock.advance(hours=25)
    with pytest.raises(PermanentError, match="expired"):
        await desk.send(message_id)
    assert await desk.bench.story(message_id) == ("unknown", ["dispatched"])
    await resolve(desk.bench, message_id)
    await sender.send("email", message_id, organization_id=desk.bench.organization, is_last_attempt=True)
    assert await desk.bench.story(message_id) == ("sent", ["failed", "sent"])


@pytest.mark.parametrize("answers", [(LOST, BUSY), (LOST, LOST)], ids=["then failed", "then lost"])
async def test_nothing_is_in_doubt_once_a_message_was_declared_sent(
    clock: VirtualClock, bench: Any, answers: tuple[Exception, ...]
) -> None:
    message_id = await in_doubt(bench, *answers)
    clock.advance(hours=24)
    await ends(bench, message_id)
    await resolve(bench, message_id, "sent")
    async with bench.db.platform() as session:
        found = await Deliveries(bench.sealer).read(session, message_id)
    assert found is not None
    assert (found.status, [one.in_doubt for one in found.attempts]) == ("sent", [False, False])
    assert sorted(one.status for one in found.attempts) == ["failed", "sent"]
    assert {one.status: one.error for one in found.attempts}["sent"] is None
    await bench.send(message_id, last=True)
    assert bench.email.sent == []


async def test_what_nobody_wants_sent_any_more_is_not_promised_to_be_sent_again(
    clock: VirtualClock, bench: Any
) -> None:
    message_id = await in_doubt(bench, LOST)
    async with bench.db.platform() as session:
        ends_at = clock.now() + timedelta(hours=1)
        await session.execute(text("UPDATE messages SET expires_at = :ends_at"), {"ends_at": ends_at})
    clock.advance(hours=24)
    await ends(bench, message_id)
    with pytest.raises(WordsGoneError):
        await resolve(bench, message_id)
    assert (await bench.row(message_id)).status == "unknown"
    await resolve(bench, message_id, "sent")
