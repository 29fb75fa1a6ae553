"""S24, R25: what providers say of messages moves them forward, whatever its order, and never backward."""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from comms_callbacks import MAILJET_SECRET, mailjet, resend, sid, twilio
from comms_queueing import EMAIL, ORGANIZATION, SEALER, queued_for
from comms_told import DOORS, NUMBER, Desk, event
from sqlalchemy import text

from singr_comms.notifications import replay_webhooks
from singr_comms.notifications.callbacks import _processing
from singr_comms.notifications.callbacks._message_news import RANKS
from singr_db import Database, new_id
from singr_jobs import PermanentError, RetryLater, change_job


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


async def test_callbacks_in_every_order_doubled_end_in_the_highest_state(desk: Desk) -> None:
    for number, order in enumerate(itertools.permutations(("sent", "bounce", "spam")), 1):
        message_id = await desk.sending(named=str(number))
        highest = "sent"
        for name, repeated in itertools.product(order, range(2)):
            outcome = await desk.tell("mailjet", mailjet(event(name, message_id, number=number)))
            assert (outcome == {}) == bool(repeated), "a copy is known before it is applied"
            state = {"sent": "delivered", "bounce": "bounced", "spam": "complained"}[name]
            highest = max(highest, state, key=RANKS.__getitem__)
            assert (await desk.read(message_id)).status == highest
        detail = await desk.read(message_id)
        assert detail.status == "complained"
        assert detail.delivered_at is not None
        assert detail.error is not None
        assert detail.error.code == "mailjet_spam"
        assert [one.event for one in detail.events] == list(order)
        assert [one.applied for one in detail.events].count(True) >= 1


@pytest.mark.parametrize("status", ["unknown", "failed", "dispatched"])
async def test_callback_settles_what_nobody_knew(desk: Desk, status: str) -> None:
    message_id = await desk.sending(status=status, named=None)
    assert await desk.tell("mailjet", mailjet(event("sent", message_id))) == {"applied": 1}
    detail = await desk.read(message_id)
    assert (detail.status, detail.error, detail.provider_message_id) == ("delivered", None, str(NUMBER))
    assert detail.sent_at is not None
    [attempt] = detail.attempts
    assert (attempt.status, attempt.provider_message_id) == ("sent", str(NUMBER))


async def test_callback_without_our_providers_id_settles_the_try_that_nobody_knew_of(desk: Desk) -> None:
    message_id = await desk.sending(status="unknown", named=None)
    await desk.sql(
        "INSERT INTO message_attempts (message_id, attempt, organization_id, provider, status, idempotency_token)"
        " SELECT message_id, 2, organization_id, provider, 'failed', 't' FROM message_attempts"
    )
    await desk.sql("UPDATE messages SET status = 'failed', attempts = 2")
    assert await desk.tell("mailjet", mailjet(event("sent", message_id))) == {"applied": 1}
    assert [one.status for one in (await desk.read(message_id)).attempts] == ["sent", "failed"]


@pytest.mark.parametrize("name", ["sent", "bounce"])
async def test_callback_puts_away_what_was_left_of_a_message_in_doubt(desk: Desk, name: str) -> None:
    failed, waiting = [await desk.sending(status="unknown", named=None) for _ in range(2)]
    await desk.sql(
        "UPDATE jobs SET status = 'failed', finished_at = now(), error = jsonb_build_object('code', 'outcome_unknown',"
        " 'message', 'nobody knows') WHERE id = (SELECT job_id FROM messages WHERE id = :id)",
        id=failed,
    )
    await desk.sql(
        "INSERT INTO dead_letters (id, organization_id, job_id, type, queue, error, error_code, fingerprint, attempts)"
        " SELECT gen_random_uuid(), organization_id, id, type, queue, error, error->>'code', repeat('a', 64), '[]'"
        " FROM jobs WHERE status = 'failed'"
    )
    [[job_id]] = await desk.sql("SELECT job_id FROM messages WHERE id = :id", id=waiting)
    async with desk.db.platform() as session:
        later = datetime.now(UTC) + timedelta(minutes=10)
        await change_job(session, job_id, organization_id=ORGANIZATION, run_at=later)
    webhook_id = await desk.take("mailjet", mailjet([event(name, one) for one in (failed, waiting)]))
    assert webhook_id is not None
    assert await desk.webhooks.rehearse(webhook_id)
    assert await desk.sql("SELECT state FROM dead_letters") == [("open",)]
    assert await desk.webhooks.process(webhook_id, is_last_attempt=False) == {"applied": 2}
    assert await desk.sql("SELECT state FROM dead_letters") == [("discarded",)]
    [[status, due]] = await desk.sql("SELECT status, run_at <= now() FROM jobs WHERE id = :id", id=job_id)
    assert (status, due) == ("pending", True)


async def test_array_of_a_thousand_is_applied_once_each_with_what_is_not_known_in_it(desk: Desk) -> None:
    ids = [await desk.sending() for _ in range(3)]
    events = [event("sent", one) for one in ids] + [event("open", one) for one in ids]
    events += [event("sent", new_id(), at=1_790_000_000 + number) for number in range(994)]
    webhook_id = await desk.take("mailjet", mailjet(events))
    assert webhook_id is not None
    assert await desk.webhooks.process(webhook_id, is_last_attempt=False) == {
        "applied": 3,
        "unknown": 3,
        "ignored": 994,
    }
    assert {(await desk.read(one)).status for one in ids} == {"delivered"}
    [[state, events_told]] = await desk.sql("SELECT state, events FROM webhooks_received")
    assert (state, events_told) == ("done", 1000)


async def test_callback_for_what_a_provider_was_never_given_changes_nothing(desk: Desk) -> None:
    ours, other = await desk.sending(), await desk.sending(named="77")
    queued, *_ = await queued_for(desk.db, ORGANIZATION, [EMAIL])
    told = {
        "of another message's number": mailjet(event("bounce", ours, number=77)),
        "of another provider": resend(
            {"type": "email.bounced", "data": {"email_id": "x", "tags": {"message_id": ours.hex}}},
            event_id="msg_1",
            at=time.time(),
        ),
        "of one that nobody sent": mailjet(event("bounce", queued)),
        "of a partition that is gone": mailjet(event("bounce", UUID(int=7), at=1_790_000_001)),
        "of no message": mailjet({"event": "bounce", "time": 1}),
    }
    for what, callback in told.items():
        provider = "resend" if "svix-id" in callback.headers else "mailjet"
        assert await desk.tell(provider, callback) == {"ignored": 1}, what
    assert [(await desk.read(one)).status for one in (ours, other, queued)] == ["sent", "sent", "queued"]
    assert await desk.sql("SELECT * FROM message_events") == []
    reasons = await desk.sql(
        "SELECT outcome -> 'effects' -> 0 ->> 'reason' FROM webhooks_received WHERE state = 'ignored'"
    )
    assert all(reason for [reason] in reasons)
    assert len(reasons) == len(told)


async def test_callback_before_our_own_commit_waits_and_is_applied_once_that_is_there(desk: Desk) -> None:
    message_id = await desk.sending("twilio", status="dispatched", named=None)
    status = twilio({"MessageSid": sid(1), "MessageStatus": "delivered", "To": "+15555550177"})
    webhook_id = await desk.take("twilio", status)
    assert webhook_id is not None
    with pytest.raises(RetryLater):
        await desk.webhooks.process(webhook_id, is_last_attempt=False)
    known = {"id": message_id, "sid": sid(1)}
    await desk.sql("UPDATE messages SET provider_message_id = :sid, status = 'sent' WHERE id = :id", **known)
    await desk.sql("UPDATE message_attempts SET provider_message_id = :sid WHERE message_id = :id", **known)
    assert await desk.webhooks.process(webhook_id, is_last_attempt=False) == {"applied": 1}
    assert (await desk.read(message_id)).status == "delivered"
    assert await desk.tell("twilio", twilio({"MessageSid": sid(9), "MessageStatus": "sent"}), last=True) == {
        "ignored": 1
    }


async def test_rehearsal_of_many_locks_few_of_them_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_processing, "_AT_ONCE", 1)
    first, second = sorted([await desk.sending(), await desk.sending()])
    webhook_id = await desk.take("mailjet", mailjet([event("bounce", one, error="unknown") for one in (first, second)]))
    assert webhook_id is not None
    async with desk.db.platform() as sender:
        await sender.execute(text("SELECT FROM messages WHERE id = :id FOR UPDATE"), {"id": second})
        rehearsal = asyncio.create_task(desk.webhooks.rehearse(webhook_id))
        blocked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while not await desk.sql(blocked):
            assert not rehearsal.done()
        assert await desk.sql("SELECT 1 FROM messages WHERE id = :id FOR UPDATE NOWAIT", id=first)
    assert len(await rehearsal or []) == 2


async def test_copy_within_one_callback_is_told_as_repeated(desk: Desk) -> None:
    """By a rehearsal, and by each try at it: an earlier one of the same callback counts as it did."""
    first, second = await desk.sending(), await desk.sending()
    told = [event("bounce", first, error="user unknown"), event("bounce", second, error="user unknown")]
    webhook_id = await desk.take("mailjet", mailjet([told[0], *told]))
    assert webhook_id is not None
    shown = await desk.webhooks.rehearse(webhook_id)
    assert shown is not None
    assert sorted(one.outcome for one in shown) == ["applied", "applied", "repeated"]
    for _ in range(2):
        assert await desk.webhooks.process(webhook_id, is_last_attempt=False) == {"applied": 2, "repeated": 1}
    [[counts]] = await desk.sql("SELECT outcome->'counts' FROM webhooks_received WHERE id = :id", id=webhook_id)
    assert counts == {"applied": 2, "repeated": 1}


async def test_rehearsal_shows_what_would_change_and_changes_nothing(desk: Desk) -> None:
    message_id = await desk.sending()
    webhook_id = await desk.take("mailjet", mailjet(event("bounce", message_id, error="user unknown")))
    assert webhook_id is not None
    for _ in range(2):
        shown = await desk.webhooks.rehearse(webhook_id)
        assert shown is not None
        assert [(one.message_id, one.before, one.after) for one in shown] == [(message_id, "sent", "bounced")]
    assert (await desk.read(message_id)).status == "sent"
    assert await desk.sql("SELECT * FROM message_events") == []
    assert await desk.webhooks.rehearse(new_id()) is None


async def test_callback_is_stored_sealed_with_its_job_or_not_at_all(desk: Desk) -> None:
    message_id = await desk.sending()
    webhook_id = await desk.take("mailjet", mailjet(event("sent", message_id)))
    [[sealed, correlation]] = await desk.sql("SELECT callback_sealed, correlation_id FROM webhooks_received")
    assert b"jane" not in bytes(sealed)
    assert MAILJET_SECRET.encode() not in SEALER.open(sealed, context="webhooks.callback")
    assert correlation is None
    [[kind, payload]] = await desk.sql("SELECT type, payload FROM jobs WHERE queue = 'webhook'")
    assert (kind, payload["webhook_id"]) == ("webhook.process", str(webhook_id))
    # Two that share a commit and tell the same: one is stored.
    copies = [DOORS.prove("mailjet", mailjet(event("open", message_id))) for _ in range(8)]
    assert sum([await desk.intake.take(one) for one in copies]) == 1
    with pytest.raises(PermanentError):
        await desk.webhooks.process(new_id(), is_last_attempt=False)


async def test_replays_go_on_where_the_one_before_ended_though_all_came_to_the_same_end_again(desk: Desk) -> None:
    await desk.sql(
        "INSERT INTO webhooks_received (id, provider, event, events, callback_sealed, state)"
        " SELECT CAST('01920000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid),"
        " 'mailjet', 'sent', 1, 'x', 'ignored'"
        " FROM generate_series(1, 1178) AS n"
    )
    counts: list[int] = []
    cursor: UUID | None = None
    while not counts or cursor is not None:
        async with desk.db.platform() as session:
            count, cursor = await replay_webhooks(session, state="ignored", cursor=cursor)
        counts.append(count)
        await desk.sql("UPDATE webhooks_received SET state = 'ignored'")
    [[seen]] = await desk.sql(
        "SELECT count(DISTINCT payload ->> 'webhook_id') FROM jobs WHERE type = 'webhook.process'"
    )
    assert (counts, seen) == ([1000, 178], 1178)


async def test_callback_that_a_deadlock_undid_is_applied_the_second_time(desk: Desk) -> None:
    ids = [await desk.sending(named=str(number)) for number in (1, 2)]
    async with desk.db.psycopg.connection() as connection:
        await connection.execute(
            "CREATE SEQUENCE tries; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF nextval('tries') = 1 THEN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END IF;"
            " RETURN NULL; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON message_events FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
        )
    try:
        told = [event("bounce", one, number=number) for number, one in enumerate(ids, 1)]
        assert await desk.tell("mailjet", mailjet(told)) == {"applied": 2}
    finally:
        async with desk.db.psycopg.connection() as connection:
            await connection.execute("DROP FUNCTION refuse CASCADE; DROP SEQUENCE tries")
