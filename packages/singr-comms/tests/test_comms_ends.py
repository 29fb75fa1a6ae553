"""Every message ends, and its code with it, whatever ended its job."""

from uuid import UUID

import pytest
from comms_desk import CODE, NOTICE, SONG, Desk
from sqlalchemy import text

from singr_comms import MemoryEmailProvider, PermanentSendError, TransientError, UnknownOutcomeError
from singr_comms.notifications import SettleCursor, settle_messages
from singr_comms.notifications.sending._policy import Doubt, Known, Step, next_step
from singr_db import Database
from singr_dev.clock import VirtualClock
from singr_jobs import PermanentError, RetryLater


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
async def test_message_of_any_age_ends_with_its_job(clock: VirtualClock, desk: Desk, job: str, status: str) -> None:
    message_id = await desk.bench.queue(CODE)
    clock.advance(days=30)
    await desk.sql(f"UPDATE jobs SET status = '{job}', finished_at = now()")
    clock.advance(hours=1)
    await settle_messages(desk.bench.db)
    row = await desk.bench.row(message_id)
    assert (row.status, bytes(row.content_sealed)) == (status, b"")


@pytest.mark.parametrize("job", ["failed", "cancelled"])
async def test_message_that_nobody_sends_any_more_ends_within_seconds(
    clock: VirtualClock, desk: Desk, job: str
) -> None:
    message_id = await desk.bench.queue(CODE)
    clock.advance(minutes=1)
    ended = 'finished_at = now(), error = \'{"code": "outage", "message": "m"}\''
    await desk.sql(f"UPDATE jobs SET status = '{job}', {ended}")
    clock.advance(seconds=3)
    await settle_messages(desk.bench.db)
    row = await desk.bench.row(message_id)
    told = {"failed": ("failed", "outage"), "cancelled": ("suppressed", "cancelled")}
    assert ((row.status, row.error["code"]), bytes(row.content_sealed)) == (told[job], b"")


async def test_message_whose_job_is_gone_ends(clock: VirtualClock, desk: Desk) -> None:
    message_id = await desk.bench.queue(NOTICE)
    await desk.sql("DELETE FROM jobs")
    clock.advance(hours=2)
    await settle_messages(desk.bench.db)
    row = await desk.bench.row(message_id)
    assert (row.status, row.error["code"]) == ("failed", "job_gone")


async def test_message_that_waits_for_its_job_is_left_alone(clock: VirtualClock, desk: Desk) -> None:
    message_id = await desk.bench.queue(SONG)
    clock.advance(days=30)
    await settle_messages(desk.bench.db)
    assert (await desk.bench.row(message_id)).status == "queued"


async def test_messages_are_looked_through_piece_by_piece(clock: VirtualClock, desk: Desk) -> None:
    for _ in range(5):
        await desk.bench.queue(SONG)
    await desk.sql("UPDATE jobs SET status = 'failed', finished_at = now()")
    clock.advance(hours=1)
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
    ("kind", "called", "age", "step"),
    [
        ("song_request", "memory", 60.0, Step.SEND),
        ("song_request", "another", 60.0, Step.SETTLE),
        ("song_request", "another", 600.0, Step.FLAG),
        ("two_factor_code", "another", 60.0, Step.SEND),
        ("of_a_type_that_nobody_knows", "another", 60.0, Step.FLAG),
    ],
)
def test_copy_is_dropped_only_by_the_provider_that_was_called(kind: str, called: str, age: float, step: Step) -> None:
    provider = MemoryEmailProvider(takes_idempotency_key=True)
    known = Known(kind=kind, status="unknown", age=age, doubt=Doubt(called, age))
    assert next_step(known, provider=provider, in_flight=0.0, is_last_attempt=False) is step
