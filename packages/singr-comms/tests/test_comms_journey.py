"""From a submitted request to the mailbox, through the real ingestion, queue and worker."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from comms_callbacks import doors, sid
from comms_callbacks import twilio as signed
from sqlalchemy import text

from singr_comms import EmailAddress, PlainSms, SongRequest
from singr_comms.notifications import (
    Deliveries,
    DeliveryDetail,
    EmailRequest,
    MessageIntake,
    MessageSender,
    SendEmail,
    SendSms,
    SmsRequest,
    WebhookIntake,
    Webhooks,
    jobs,
    message_sender,
)
from singr_config import Secret, Settings
from singr_db import Database, Sealer
from singr_dev.inbox import Inbox
from singr_dev.simulators import TwilioSimulator
from singr_jobs import (
    Ingestion,
    JobView,
    JobWorker,
    Queue,
    QueueOptions,
    Submission,
    Waker,
    WorkerOptions,
    redis_client,
    redis_transport,
)
from singr_observability import build_metrics

ORGANIZATION = UUID("01920000-0000-7000-8000-00000000c0de")
SEALER = Sealer(Secret("s" * 40))
EMAIL = EmailRequest(
    to=EmailAddress("manager@bluenote.example", "Manager"),
    message=SongRequest(
        venue_name="Blue Note", artist="Simon & Garfunkel", title="The <Boxer>", link="https://singr.example/requests"
    ),
)
QUEUES = (Queue.EMAIL, Queue.SMS, Queue.WEBHOOK)
SMS = SmsRequest(to="+15555550177", message=PlainSms(text="Your song is next"))


@asynccontextmanager
async def working(settings: Settings, db: Database) -> AsyncIterator[Ingestion]:
    redis = redis_client(settings.redis)
    waker = Waker(redis)
    intake = MessageIntake(SEALER, link_origins=["https://singr.example"])
    async with httpx.AsyncClient() as http:
        sender = message_sender(settings, db=db, sealer=SEALER, http=http, metrics=build_metrics())
        worker = JobWorker(
            db.psycopg,
            redis,
            redis_transport(settings.redis),
            jobs,
            # a worker gives all types what they need
            resources={MessageSender: sender, Database: db, Webhooks: Webhooks(db, SEALER, doors(), build_metrics())},
            name="comms-journey",
            options=WorkerOptions(
                queues=dict.fromkeys((Queue.EMAIL, Queue.SMS, Queue.WEBHOOK), QueueOptions()), poll=0.5
            ),
        )
        running = asyncio.create_task(worker.run())
        try:
            yield Ingestion(db.psycopg, waker, intakes={SendEmail: intake, SendSms: intake})
        finally:
            await worker.stop()
            await running
            await sender.close()
            await waker.close()
            await redis.aclose()


def submission(payload: Any, name: str, key: str) -> Submission:
    return Submission(
        job_type=jobs.named(name),
        payload=payload,
        organization_id=ORGANIZATION,
        credential="test",
        idempotency_key=key,
        method="POST",
        path="/v1/jobs",
        body_hash=hashlib.sha256(msgspec.json.encode(payload)).digest(),
        correlation_id="req-journey",
    )


async def settled(db: Database, job_id: UUID) -> DeliveryDetail:
    log = Deliveries(SEALER)
    async with asyncio.timeout(30):
        while True:
            async with db.tenant(ORGANIZATION) as session:
                page = await log.list(session, job_id=job_id)
                if page.items and page.items[0].status not in {"queued", "dispatched"}:
                    detail = await log.read(session, page.items[0].id)
                    assert detail is not None
                    return detail
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("twilio")
async def test_an_email_and_an_sms_arrive_once_and_the_log_tells_so(
    settings: Settings, db: Database, inbox: Inbox, twilio: TwilioSimulator
) -> None:
    async with working(settings, db) as ingestion:
        made = {}
        for payload, name in ((EMAIL, "email.send"), (SMS, "sms.send")):
            for _ in range(2):  # the same request again changes nothing
                answer = await ingestion.submit(submission(payload, name, f"key-{name}"))
            made[name] = msgspec.json.decode(answer.body, type=JobView).id
        email, sms = await settled(db, made["email.send"]), await settled(db, made["sms.send"])
        await ingestion.close()
    (mail,) = inbox.mails
    assert mail.envelope_to == ("manager@bluenote.example",)
    assert mail.subject == "New request at Blue Note: The <Boxer> by Simon & Garfunkel"
    assert "The <Boxer>" in mail.text
    assert "The &lt;Boxer&gt;" in mail.html
    assert (email.status, email.provider, email.correlation_id) == ("sent", "smtp", "req-journey")
    assert email.provider_message_id == mail.message["Message-ID"]
    assert [item.message["Body"] for item in twilio.received] == ["Your song is next"]
    assert (sms.status, sms.provider_message_id) == ("sent", twilio.received[0].id)
    assert twilio.received[0].headers["x-request-id"] == "req-journey"
    assert [one.status for one in sms.attempts] == ["sent"]


async def test_a_busy_provider_is_tried_again_and_the_history_is_kept(
    settings: Settings, db: Database, twilio: TwilioSimulator
) -> None:
    twilio.fail_next(status=429, retry_after=2)
    async with working(settings, db) as ingestion:
        answer = await ingestion.submit(submission(SMS, "sms.send", "key-busy"))
        job_id = msgspec.json.decode(answer.body, type=JobView).id
        detail = await settled(db, job_id)
        await ingestion.close()
    assert detail.status == "sent"
    assert [one.status for one in detail.attempts] == ["failed", "sent"]
    waited = detail.attempts[1].started_at - detail.attempts[0].started_at
    assert waited.total_seconds() >= 2, "Retry-After is honoured"
    assert len(twilio.received) == 1


async def test_what_twilio_calls_back_with_is_applied_by_the_worker_and_stop_holds_the_next_back(
    settings: Settings, db: Database, twilio: TwilioSimulator
) -> None:
    intake = WebhookIntake(db, SEALER, build_metrics())
    async with working(settings, db) as ingestion:
        sent = await ingestion.submit(submission(SMS, "sms.send", "key-first"))
        first = await settled(db, msgspec.json.decode(sent.body, type=JobView).id)
        fields = {"MessageSid": twilio.received[0].id, "MessageStatus": "delivered", "To": SMS.to}
        stop = {"MessageSid": sid(0), "From": SMS.to, "To": "+15555550100", "Body": "Stop"}
        for callback in (signed(fields), signed(fields), signed(stop, part="inbound")):
            await intake.take(doors().prove("twilio", callback), correlation_id="req-callback")
        await _applied(db)
        held = await ingestion.submit(submission(SMS, "sms.send", "key-second"))
        second = await settled(db, msgspec.json.decode(held.body, type=JobView).id)
        await ingestion.close()
    async with db.tenant(ORGANIZATION) as session:
        told = await Deliveries(SEALER).read(session, first.id)
    assert told is not None
    assert (told.status, [one.event for one in told.events]) == ("delivered", ["delivered"])
    assert (second.status, second.error and second.error.code, second.attempts) == ("suppressed", "opt_out", ())
    assert len(twilio.received) == 1


async def _applied(db: Database) -> None:
    async with asyncio.timeout(30):
        while True:
            async with db.platform() as session:
                if not await session.scalar(text("SELECT count(*) FROM webhooks_received WHERE state = 'received'")):
                    return
            await asyncio.sleep(0.05)
