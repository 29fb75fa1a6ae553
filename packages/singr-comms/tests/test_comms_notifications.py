"""Queueing, the ingestion's intake, the log's upkeep, and the way to providers, against a real PostgreSQL."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from comms_queueing import EMAIL, ORGANIZATION, SEALER, SMS, SONG, all_rows, queued_for, sender_for
from psycopg import AsyncConnection
from sqlalchemy import text

from singr_comms import EmailAddress, InvalidMessageError, MemoryEmailProvider, MemorySmsProvider, TwoFactorCode
from singr_comms.notifications import (
    EmailRequest,
    MessageIntake,
    MessageRow,
    MessageSender,
    SendEmail,
    SendSms,
    SmsRequest,
    collect_quotas,
    jobs,
    message_sender,
    queue_email,
    queue_sms,
    settle_messages,
)
from singr_comms.notifications._rows import COLUMNS
from singr_config import Settings
from singr_db import Database, new_id
from singr_dev.clock import VirtualClock
from singr_dev.simulators import MailjetSimulator, TwilioSimulator
from singr_jobs import Intake, JobContext, PermanentError, Priority, Queue
from singr_observability import build_metrics, correlation_scope


def context(job_id: UUID, sender: MessageSender, *, attempt: int = 1) -> JobContext:
    async def report(_percent: int) -> None: ...

    return JobContext(
        job_id=job_id,
        organization_id=ORGANIZATION,
        attempt=attempt,
        max_attempts=3,
        correlation_id=None,
        resources={MessageSender: sender},
        report=report,
    )


# --- queueing --------------------------------------------------------------------------------------------------------


async def test_message_and_job_are_committed_together_and_sent_by_the_handler(db: Database) -> None:
    email, sms = MemoryEmailProvider(), MemorySmsProvider()
    sender = sender_for(db, email, sms)
    with correlation_scope("req-77"):
        async with db.tenant(ORGANIZATION) as session:
            one = await queue_email(session, EMAIL, sealer=SEALER, organization_id=ORGANIZATION)
            two = await queue_sms(session, SMS, sealer=SEALER, organization_id=ORGANIZATION)
    stored = {row.id: row for row in await all_rows(db, "jobs")}
    assert {row.type for row in stored.values()} == {"email.send", "sms.send"}
    assert {row.correlation_id for row in await all_rows(db)} == {"req-77"}
    job = msgspec.convert(stored[one.job_id].payload, SendEmail)
    assert job == SendEmail(one.message_id)
    email_job, sms_job = jobs.named("email.send"), jobs.named("sms.send")
    result = await email_job.handler(job, context(one.job_id, sender))
    assert msgspec.to_builtins(result)["provider"] == "memory"
    await sms_job.handler(msgspec.convert(stored[two.job_id].payload, SendSms), context(two.job_id, sender))
    assert [envelope.message for envelope in email.sent] == [SONG]
    assert [envelope.to for envelope in sms.sent] == ["+15555550177"]


async def test_a_rolled_back_transaction_leaves_neither_message_nor_job(db: Database) -> None:
    async def fail() -> None:
        async with db.tenant(ORGANIZATION) as session:
            await queue_email(session, EMAIL, sealer=SEALER, organization_id=ORGANIZATION)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await all_rows(db) == await all_rows(db, "jobs") == []


async def test_a_unique_key_keeps_one_message(db: Database) -> None:
    made = []
    for _ in range(2):
        async with db.tenant(ORGANIZATION) as session:
            made.append(
                await queue_email(session, EMAIL, sealer=SEALER, organization_id=ORGANIZATION, unique_key="welcome")
            )
    assert [one.is_new for one in made] == [True, False]
    assert made[0].message_id == made[1].message_id
    assert made[0].job_id == made[1].job_id
    assert len(await all_rows(db)) == 1


async def test_codes_go_first(db: Database) -> None:
    code = EmailRequest(
        to=EMAIL.to, message=TwoFactorCode(user_name="Jane", code="123456", expiry_minutes=5), user_id=new_id()
    )
    async with db.platform() as session:
        for request in (code, EMAIL):
            await queue_email(session, request, sealer=SEALER, organization_id=ORGANIZATION)
        await queue_email(session, EMAIL, sealer=SEALER, organization_id=ORGANIZATION, priority=Priority.LOW)
    assert [row.priority for row in await all_rows(db, "jobs")] == [Priority.HIGH, Priority.NORMAL, Priority.LOW]


async def test_a_broken_request_is_refused_before_anything_is_stored(db: Database) -> None:
    broken = msgspec.structs.replace(EMAIL, to=EmailAddress("jane@example.org\r\nBcc: x@example.org"))
    with pytest.raises(InvalidMessageError) as caught:
        async with db.tenant(ORGANIZATION) as session:
            await queue_email(session, broken, sealer=SEALER, organization_id=ORGANIZATION)
    assert caught.value.field == "to.email"
    assert await all_rows(db) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [("email.send", (Queue.EMAIL, 3, 1.0, 120, EmailRequest)), ("sms.send", (Queue.SMS, 3, 1.0, 30, SmsRequest))],
)
def test_a_job_type_is_declared_as_it_is_promised(name: str, options: tuple[object, ...]) -> None:
    job = jobs.named(name)
    assert (job.queue, job.attempts, job.backoff.first, job.timeout, job.request) == options


# --- intake ----------------------------------------------------------------------------------------------------------


async def write(connection: AsyncConnection[Any], intake: MessageIntake, rows: Sequence[MessageRow]) -> None:
    statement = intake.insert.format(rows="%s")
    await connection.execute(statement.encode(), (msgspec.json.encode(rows).decode(),))


def test_a_message_row_travels_in_the_order_of_its_columns() -> None:
    assert tuple(COLUMNS) == MessageRow.__struct_fields__


async def test_intake_writes_messages_of_both_channels_with_one_statement(db: Database) -> None:
    intake = MessageIntake(SEALER)
    assert isinstance(intake, Intake)
    job_ids = [new_id() for _ in range(500)]
    prepared = [
        intake.prepare(
            EMAIL if number % 2 else SMS, job_id=job_id, organization_id=ORGANIZATION, correlation_id=f"req-{number}"
        )
        for number, job_id in enumerate(job_ids)
    ]
    async with db.psycopg.connection() as connection, connection.transaction():
        await write(connection, intake, [companion for _, companion in prepared])
    rows = {row.id: row for row in await all_rows(db)}
    assert len(rows) == 500
    for number, (job, companion) in enumerate(prepared):
        row = rows[job.message_id]  # type: ignore[attr-defined] # both jobs have it
        assert isinstance(job, SendEmail if number % 2 else SendSms)
        assert (row.status, row.job_id, row.correlation_id) == ("queued", job_ids[number], f"req-{number}")
        assert row.recipient_masked == ("j***@example.org" if number % 2 else "+1******0177")
        assert row.recipient_sealed == companion.recipient_sealed
    email, sms = MemoryEmailProvider(), MemorySmsProvider()
    sender = sender_for(db, email, sms)
    first, second = prepared[1][1].id, prepared[0][1].id
    await sender.send("email", first, organization_id=ORGANIZATION, is_last_attempt=False)
    await sender.send("sms", second, organization_id=ORGANIZATION, is_last_attempt=False)
    assert email.sent[0].to == EMAIL.to
    assert sms.sent[0].message == SMS.message


async def test_intake_leaves_nothing_when_the_callers_transaction_fails(db: Database) -> None:
    intake = MessageIntake(SEALER)
    _, row = intake.prepare(EMAIL, job_id=new_id(), organization_id=ORGANIZATION, correlation_id=None)

    async def fail() -> None:
        async with db.psycopg.connection() as connection, connection.transaction():
            await write(connection, intake, [row])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await all_rows(db) == []


# --- upkeep ----------------------------------------------------------------------------------------------------------


async def end_job(db: Database, message_id: UUID, status: str) -> None:
    statement = text(
        "UPDATE jobs SET status = :status, finished_at = now(),"
        """ error = '{"code": "lost", "message": "its worker died"}' """
        "WHERE id = (SELECT job_id FROM messages WHERE id = :id)"
    )
    async with db.platform() as session:
        await session.execute(statement, {"id": message_id, "status": status})


async def test_messages_whose_jobs_ended_without_them_get_their_final_status(clock: VirtualClock, db: Database) -> None:
    class Killed(BaseException):
        pass

    cancelled, spent, dead, alive = await queued_for(db, ORGANIZATION, [EMAIL] * 4)
    provider = MemoryEmailProvider()
    provider.fail_next(Killed())
    with pytest.raises(Killed):
        await sender_for(db, provider).send("email", dead, organization_id=ORGANIZATION, is_last_attempt=True)
    await end_job(db, cancelled, "cancelled")
    await end_job(db, spent, "failed")
    await end_job(db, dead, "failed")
    await end_job(db, alive, "pending")
    clock.advance(hours=1)
    (fresh,) = await queued_for(db, ORGANIZATION, [EMAIL])
    settled = await settle_messages(db)
    assert (settled.unknown, settled.failed, settled.suppressed) == (1, 1, 1)
    rows = {row.id: (row.status, (row.error or {}).get("code")) for row in await all_rows(db)}
    assert rows == {
        cancelled: ("suppressed", "cancelled"),
        spent: ("failed", "lost"),
        dead: ("unknown", "lost"),
        alive: ("queued", None),
        fresh: ("queued", None),
    }
    assert [row.status for row in await all_rows(db, "message_attempts")] == ["unknown"]
    again = await settle_messages(db)
    assert (again.unknown, again.failed, again.suppressed) == (0, 0, 0)
    with pytest.raises(PermanentError) as caught:
        await sender_for(db).send("email", cancelled, organization_id=ORGANIZATION, is_last_attempt=False)
    assert caught.value.code == "cancelled"


async def test_a_message_whose_cancelled_job_is_tried_again_goes_out(clock: VirtualClock, db: Database) -> None:
    (email,) = await queued_for(db, ORGANIZATION, [EMAIL])
    await end_job(db, email, "cancelled")
    clock.advance(hours=1)
    assert (await settle_messages(db)).suppressed == 1
    await end_job(db, email, "pending")
    await sender_for(db).send("email", email, organization_id=ORGANIZATION, is_last_attempt=False)
    assert [row.status for row in await all_rows(db)] == ["sent"]


async def test_counts_of_hours_gone_by_are_collected(clock: VirtualClock, db: Database) -> None:
    request = msgspec.structs.replace(EMAIL, user_id=new_id())
    (email,) = await queued_for(db, ORGANIZATION, [request])
    await sender_for(db).send("email", email, organization_id=ORGANIZATION, is_last_attempt=False)
    assert await collect_quotas(db) == 0
    clock.advance(hours=27)
    assert await collect_quotas(db) == 3, "of the user, of the recipient, and the organization's day"


# --- wiring ----------------------------------------------------------------------------------------------------------


async def test_settings_lead_to_a_sender_and_a_switched_off_channel_to_the_console(
    db: Database, settings: Settings
) -> None:
    off = msgspec.structs.replace(settings, email=msgspec.structs.replace(settings.email, enabled=False))
    (email,) = await queued_for(db, ORGANIZATION, [EMAIL])
    async with httpx.AsyncClient() as http:
        sender = message_sender(off, db=db, sealer=SEALER, http=http, metrics=build_metrics())
        delivered = await sender.send("email", email, organization_id=ORGANIZATION, is_last_attempt=False)
    assert delivered.provider == "console"
    (row,) = await all_rows(db)
    assert (row.status, row.provider) == ("sent", "console")


async def test_a_stored_message_travels_to_mailjet_and_twilio_under_its_request_id(
    db: Database, settings: Settings, mailjet: MailjetSimulator, twilio: TwilioSimulator
) -> None:
    email, sms = await queued_for(db, ORGANIZATION, [EMAIL, SMS])
    async with httpx.AsyncClient() as http:
        sender = message_sender(settings, db=db, sealer=SEALER, http=http, metrics=build_metrics())
        with correlation_scope("req-42"):
            one = await sender.send("email", email, organization_id=ORGANIZATION, is_last_attempt=False)
            two = await sender.send("sms", sms, organization_id=ORGANIZATION, is_last_attempt=False)
    assert (one.provider, one.provider_message_id) == ("mailjet", mailjet.received[0].id)
    assert (two.provider, two.provider_message_id) == ("twilio", twilio.received[0].id)
    assert mailjet.received[0].message["CustomID"] == email.hex
    assert {item.headers["x-request-id"] for item in (*mailjet.received, *twilio.received)} == {"req-42"}
